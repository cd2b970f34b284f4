"""Writes one episode as one rosbag2 MCAP directory.

Messages come as the CDR bytes that were received and are stored as they are; images may be
compressed on the way, by threads of their own. A thread does the writing; its queue is bounded
in bytes, and what does not fit is dropped, counted and stored in the metadata: a slow disk never
slows the caller and never goes unnoticed. Nothing waits in this process for longer than
`FLUSH_S` once it has left the queue, so that a killed recorder loses less than a second.
"""

import shutil
import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from spatialbot_model.contracts.episode import (
    CUSTOM_DATA_KEY,
    EPISODE_TOPICS,
    EpisodeMetadata,
    check_label,
)
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.episode_sidecar import metadata_to_json, write_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.bag_file import BagFile
from spatialbot_ros.episodes.image_compression import compress_cdr

QUEUE_BYTES = 512 * 1024**2
RESERVE_BYTES = 256 * 1024**2
FLUSH_S = 0.1
"""Longest time for which a message waits for its chunk to fill [s]."""

_CHECK_DISK_EVERY_BYTES = 16 * 1024**2
_NUM_COMPRESSORS = 2


class EpisodeWriter:
    """One episode: `open`, `write` from any thread, then `close` or `discard`.

    Args:
        folder: folder of the bag; must not exist yet.
        metadata: what is known at the start; counts, label and stop are filled in by `close`.
        formats: how images are stored; they are given to `write` raw in any case.
        queue_bytes: bytes that may wait for the disk.
        reserve_bytes: free disk space that is left alone; recording ends before it is touched,
            so that the bag can still be closed properly.
        durable: `close` waits until the disk has everything, so that a power cut cannot harm a
            closed episode.
    """

    def __init__(
        self,
        folder: Path,
        metadata: EpisodeMetadata,
        *,
        formats: ImageFormats | None = None,
        queue_bytes: int = QUEUE_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        durable: bool = True,
    ) -> None:
        self.folder = folder
        self._formats = formats or ImageFormats()
        stored = {} if self._formats.is_raw else self._formats.to_mapping()
        self._metadata = replace(metadata, image_formats=stored)
        self._queue_bytes = queue_bytes
        self._reserve_bytes = reserve_bytes
        self._durable = durable
        self._queue: deque[tuple[str, int, bytes | Future[bytes], int]] = deque()
        self._queued_bytes = 0
        self._changed = threading.Condition()
        self._counts: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._backwards: Counter[str] = Counter()
        self._last_ns: dict[str, int] = {}
        self._num_bytes = 0
        self._unchecked_bytes = 0
        self._ending = False
        self._error: str = ""
        self._uncompressed = ""
        self._bag: BagFile | None = None
        self._compressors: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None

    @property
    def metadata(self) -> EpisodeMetadata:
        """As known now."""
        return self._metadata

    @property
    def num_messages(self) -> int:
        """Messages accepted so far, in the bag or waiting for the disk."""
        with self._changed:
            return sum(self._counts.values())

    @property
    def num_bytes(self) -> int:
        """Message bytes handed to the disk so far, as stored."""
        return self._num_bytes

    @property
    def queued_bytes(self) -> int:
        """Bytes waiting for the disk, before compression."""
        return self._queued_bytes

    @property
    def drops(self) -> dict[str, int]:
        """Lost messages per topic."""
        with self._changed:
            return dict(self._drops)

    @property
    def error(self) -> str:
        """Why writing ended early; empty while all is well."""
        return self._error

    def open(self) -> None:
        """Create the bag with all topics of the contract and start the threads.

        Raises:
            RecordingError: the folder exists, cannot be made, or the disk is full.
        """
        bag = BagFile(self._checked_folder(), self._formats.stored_topics())
        bag.open()
        try:
            write_sidecar(self.folder, self._metadata, durable=self._durable)
        except OSError as error:
            bag.abort()
            raise RecordingError(f"cannot create the episode {self.folder}: {error}") from error
        self._bag = bag
        if not self._formats.is_raw:
            self._compressors = ThreadPoolExecutor(_NUM_COMPRESSORS, "episode-compressor")
        self._thread = threading.Thread(target=self._run, args=(bag,), name="episode-writer")
        self._thread.start()

    def write(self, topic: str, data: bytes, log_time_ns: int) -> bool:
        """Queue one message; never waits.

        Args:
            topic: a topic of the contract.
            data: the message's CDR bytes, with their encapsulation header; images raw.
            log_time_ns: ROS time in nanoseconds.

        Returns:
            False when it was dropped (and counted).

        Raises:
            RecordingError: not a topic of the contract.
        """
        if topic not in EPISODE_TOPICS:
            raise RecordingError(
                f"{topic} is not a topic of an episode; expected one of:"
                f" {', '.join(EPISODE_TOPICS)}"
            )
        stored = self._formats.stored_topic(topic)
        with self._changed:
            if self._ending or self._error or self._queued_bytes + len(data) > self._queue_bytes:
                self._drops[stored] += 1
                return False
            content: bytes | Future[bytes] = data
            if stored != topic and self._compressors is not None:
                content = self._compressors.submit(compress_cdr, topic, data, self._formats)
            self._queue.append((stored, log_time_ns, content, len(data)))
            self._queued_bytes += len(data)
            self._counts[stored] += 1
            if log_time_ns < self._last_ns.get(stored, log_time_ns):
                self._backwards[stored] += 1
            self._last_ns[stored] = log_time_ns
            self._changed.notify()
        return True

    def count_drop(self, topic: str, number: int = 1) -> None:
        """Count messages that were lost before they came here."""
        with self._changed:
            self._drops[self._formats.stored_topic(topic)] += number

    def close(self, label: str, reason: str, stop_ns: int) -> EpisodeMetadata:
        """Write what is queued, then finish the bag and its sidecar.

        Returns:
            The metadata as stored.

        Raises:
            RecordingError: an unknown label (the episode stays open), or the disk did not take
                everything; what was written stays.
        """
        check_label(label)
        bag = self._end_threads()
        self._metadata = self._metadata.closed(
            label=label,
            reason="; ".join(text for text in (reason, self._error, self._uncompressed) if text),
            stop_ns=stop_ns,
            counts=self._counts,
            drops=self._drops,
            backwards=self._backwards,
        )
        try:
            # first the sidecar: should the end of the bag be torn, its label is still known
            write_sidecar(self.folder, self._metadata, durable=self._durable)
            bag.close({CUSTOM_DATA_KEY: metadata_to_json(self._metadata)}, durable=self._durable)
        except OSError as error:
            bag.abort()
            self._error = self._error or f"the disk did not take the episode's end: {error}"
        if self._error:
            raise RecordingError(
                f"episode {self.folder} is not complete: {self._error}. What was written before"
                " is kept"
            )
        return self._metadata

    def discard(self) -> None:
        """End the episode and delete its folder."""
        with self._changed:
            for _, _, content, _ in self._queue:
                if isinstance(content, Future):
                    content.cancel()
            self._queue.clear()
            self._queued_bytes = 0
        self._end_threads().abort()
        shutil.rmtree(self.folder)

    def _checked_folder(self) -> Path:
        if self.folder.exists():
            raise RecordingError(
                f"{self.folder} exists already and is not overwritten; choose another folder or"
                " move it away"
            )
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            free_bytes = shutil.disk_usage(self.folder.parent).free
        except OSError as error:
            raise RecordingError(
                f"episodes cannot be written to {self.folder.parent}: {error.strerror}"
            ) from error
        if free_bytes < self._reserve_bytes:
            raise RecordingError(self._disk_full(free_bytes))
        return self.folder

    def _disk_full(self, free_bytes: int) -> str:
        return (
            f"the disk of {self.folder.parent} is full: {free_bytes / 1e6:.0f} MB free,"
            f" {self._reserve_bytes / 1e6:.0f} MB are kept in reserve; free some space"
        )

    def _end_threads(self) -> BagFile:
        if self._bag is None or self._thread is None:
            raise RecordingError(f"episode {self.folder} is not open; call open() first")
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        if self._compressors is not None:
            self._compressors.shutdown()
        bag, self._bag, self._thread, self._compressors = self._bag, None, None, None
        return bag

    def _run(self, bag: BagFile) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._queue or self._ending, max(0.01, FLUSH_S - bag.pending_s)
                )
                item = self._queue.popleft() if self._queue else None
                ended = self._ending and item is None
            try:
                if item is not None:
                    self._store(bag, *item[:3])
                if ended or bag.pending_s >= FLUSH_S:
                    bag.flush()
            except Exception as error:  # a thread that dies unseen would lose what follows
                self._give_up(bag, error)
            if item is not None:
                with self._changed:
                    self._queued_bytes -= item[3]
            if ended:
                return

    def _store(
        self, bag: BagFile, topic: str, log_time_ns: int, content: bytes | Future[bytes]
    ) -> None:
        try:
            data = content.result() if isinstance(content, Future) else content
        except RecordingError as error:
            self._uncompressed = self._uncompressed or f"{topic}: {error}"
            self._uncount(topic)
            return
        if self._error or not self._has_room(len(data)):
            self._uncount(topic)
            return
        bag.write(topic, log_time_ns, data)
        self._num_bytes += len(data)

    def _has_room(self, num_bytes: int) -> bool:
        self._unchecked_bytes += num_bytes
        if self._unchecked_bytes >= _CHECK_DISK_EVERY_BYTES:
            self._unchecked_bytes = 0
            free_bytes = shutil.disk_usage(self.folder).free
            if free_bytes < self._reserve_bytes:
                self._error = self._disk_full(free_bytes)
        return not self._error

    def _give_up(self, bag: BagFile, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) else ""
        self._error = self._error or f"writing failed: {why or error or type(error).__name__}"
        for topic, number in bag.take_lost().items():
            self._uncount(topic, number)

    def _uncount(self, topic: str, number: int = 1) -> None:
        with self._changed:
            self._counts[topic] -= number
            self._drops[topic] += number

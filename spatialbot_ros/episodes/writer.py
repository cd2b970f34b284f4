"""Writes one episode as one rosbag2 MCAP directory.

Messages come as the CDR bytes that were received and are stored as they are. A thread does
the writing; its queue is bounded in bytes, and what does not fit is dropped, counted and
stored in the metadata: a slow disk never slows the caller and never goes unnoticed.
"""

import shutil
import threading
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from spatialbot_model.contracts.episode import (
    CUSTOM_DATA_KEY,
    EPISODE_TOPICS,
    EpisodeMetadata,
    EpisodeTopic,
    TopicRole,
    check_label,
)
from spatialbot_model.contracts.episode_sidecar import metadata_to_json, write_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.message_types import message_types

QUEUE_BYTES = 128 * 1024**2
RESERVE_BYTES = 256 * 1024**2
_CHECK_DISK_EVERY_BYTES = 16 * 1024**2


class EpisodeWriter:
    """One episode: `open`, `write` from any thread, then `close` or `discard`.

    Args:
        folder: folder of the bag; must not exist yet.
        metadata: what is known at the start; counts, label and stop are filled in by `close`.
        queue_bytes: bytes that may wait for the disk.
        reserve_bytes: free disk space that is left alone; recording ends before it is touched,
            so that the bag can still be closed properly.
    """

    def __init__(
        self,
        folder: Path,
        metadata: EpisodeMetadata,
        *,
        queue_bytes: int = QUEUE_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self.folder = folder
        self._metadata = metadata
        self._queue_bytes = queue_bytes
        self._reserve_bytes = reserve_bytes
        self._queue: deque[tuple[str, int, bytes]] = deque()
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
        self._torn = False
        self._writer: Writer | None = None
        self._connections: Mapping[str, Connection] = {}
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
        """Message bytes handed to the disk so far."""
        return self._num_bytes

    @property
    def queued_bytes(self) -> int:
        """Bytes waiting for the disk."""
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
        """Create the bag with all topics of the contract and start the thread.

        Raises:
            RecordingError: the folder exists, cannot be made, or the disk is full.
        """
        writer = Writer(self._checked_folder(), version=9, storage_plugin=StoragePlugin.MCAP)
        try:
            writer.open()
            self._connections = {
                topic.name: writer.add_connection(
                    topic.name,
                    topic.ros_type,
                    typestore=message_types(),
                    offered_qos_profiles=[_offered_qos(topic)],
                )
                for topic in EPISODE_TOPICS.values()
            }
            write_sidecar(self.folder, self._metadata)
        except (OSError, WriterError) as error:
            writer.abort()
            raise RecordingError(f"cannot create the episode {self.folder}: {error}") from error
        self._writer = writer
        self._thread = threading.Thread(target=self._run, name="episode-writer")
        self._thread.start()

    def write(self, topic: str, data: bytes, log_time_ns: int) -> bool:
        """Queue one message; never waits.

        Args:
            topic: a topic of the contract.
            data: the message's CDR bytes, with their encapsulation header.
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
        with self._changed:
            if self._ending or self._error or self._queued_bytes + len(data) > self._queue_bytes:
                self._drops[topic] += 1
                return False
            self._queue.append((topic, log_time_ns, data))
            self._queued_bytes += len(data)
            self._counts[topic] += 1
            if log_time_ns < self._last_ns.get(topic, log_time_ns):
                self._backwards[topic] += 1
            self._last_ns[topic] = log_time_ns
            self._changed.notify()
        return True

    def count_drop(self, topic: str, number: int = 1) -> None:
        """Count messages that were lost before they came here."""
        with self._changed:
            self._drops[topic] += number

    def close(self, label: str, reason: str, stop_ns: int) -> EpisodeMetadata:
        """Write what is queued, then finish the bag and its sidecar.

        Returns:
            The metadata as stored.

        Raises:
            RecordingError: an unknown label (the episode stays open), or the disk did not take
                everything; what was written stays.
        """
        check_label(label)
        writer = self._end_thread()
        if self._error:
            reason = f"{reason}; {self._error}" if reason else self._error
        self._metadata = self._metadata.closed(
            label=label,
            reason=reason,
            stop_ns=stop_ns,
            counts=self._counts,
            drops=self._drops,
            backwards=self._backwards,
        )
        try:
            write_sidecar(self.folder, self._metadata)
            writer.set_custom_data(CUSTOM_DATA_KEY, metadata_to_json(self._metadata))
            if self._torn:
                writer.abort()
            else:
                writer.close()
        except OSError as error:
            writer.abort()
            self._error = self._error or f"the disk did not take the episode's end: {error}"
        if self._error:
            raise RecordingError(f"episode {self.folder} is not complete: {self._error}")
        return self._metadata

    def discard(self) -> None:
        """End the episode and delete its folder."""
        with self._changed:
            self._queue.clear()
            self._queued_bytes = 0
        self._end_thread().abort()
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

    def _end_thread(self) -> Writer:
        if self._writer is None or self._thread is None:
            raise RecordingError(f"episode {self.folder} is not open; call open() first")
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join()
        writer, self._writer, self._thread = self._writer, None, None
        return writer

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._ending)
                if not self._queue:
                    return
                topic, log_time_ns, data = self._queue.popleft()
                self._queued_bytes -= len(data)
            try:
                self._store(topic, log_time_ns, data)
            except OSError as error:
                # the last chunk is torn: an index behind it would lie
                self._torn = True
                self._give_up(topic, f"writing failed: {error.strerror or error}")

    def _store(self, topic: str, log_time_ns: int, data: bytes) -> None:
        if self._error:
            self._give_up(topic, self._error)
            return
        self._unchecked_bytes += len(data)
        if self._unchecked_bytes >= _CHECK_DISK_EVERY_BYTES:
            self._unchecked_bytes = 0
            free_bytes = shutil.disk_usage(self.folder).free
            if free_bytes < self._reserve_bytes:
                self._give_up(topic, self._disk_full(free_bytes))
                return
        assert self._writer is not None
        self._writer.write(self._connections[topic], log_time_ns, data)
        self._num_bytes += len(data)

    def _give_up(self, topic: str, why: str) -> None:
        with self._changed:
            self._error = why
            self._counts[topic] -= 1
            self._drops[topic] += 1


def _offered_qos(topic: EpisodeTopic) -> Qos:
    latched = topic.role is TopicRole.STATIC
    unlimited = QosTime(0x7FFFFFFF, 0xFFFFFFFF)
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=100 if latched else 10,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        deadline=unlimited,
        lifespan=unlimited,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=unlimited,
        avoid_ros_namespace_conventions=False,
    )

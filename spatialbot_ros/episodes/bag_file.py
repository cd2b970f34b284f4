"""One rosbag2 MCAP directory being written: its topics, its messages, its metadata.yaml."""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
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
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2.errors import WriterError

from spatialbot_model.contracts.episode import EpisodeTopic, TopicRole
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.mcap_storage import BagWriter, McapStorage
from spatialbot_ros.episodes.message_types import message_types


class BagFile:
    """A bag between `open` and `close` or `abort`; for one thread.

    While it is open, its MCAP file is locked (flock), so that nobody repairs what is being
    recorded.

    Args:
        folder: folder of the bag; must not exist yet.
        topics: every topic it may hold.
    """

    def __init__(self, folder: Path, topics: Iterable[EpisodeTopic]) -> None:
        self.folder = folder
        self._topics = tuple(topics)
        self._writer = BagWriter(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._connections: Mapping[str, Connection] = {}
        self._pending_since_s: float | None = None

    def open(self) -> None:
        """Create the folder and the file with all its topics.

        Raises:
            RecordingError: it exists, or the disk does not take it.
        """
        try:
            self._writer.open()
            fcntl.flock(self._storage.bio.fileno(), fcntl.LOCK_EX)
            self._connections = {
                topic.name: self._writer.add_connection(
                    topic.name,
                    topic.ros_type,
                    typestore=message_types(),
                    offered_qos_profiles=[_offered_qos(topic)],
                )
                for topic in self._topics
            }
        except (OSError, WriterError) as error:
            self._writer.abort()
            raise RecordingError(f"cannot create the episode {self.folder}: {error}") from error

    @property
    def pending_s(self) -> float:
        """For how long the oldest message has been waiting for `flush` [s]; 0 when none is."""
        since_s = self._pending_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def write(self, topic: str, log_time_ns: int, data: bytes) -> None:
        """Add a message; it is safe from the end of this process after the next `flush`.

        Raises:
            OSError: the disk takes no more; see `take_lost`.
        """
        if self._pending_since_s is None:
            self._pending_since_s = time.monotonic()
        try:
            self._writer.write(self._connections[topic], log_time_ns, data)
        finally:
            if not self._storage.is_pending:
                self._pending_since_s = None

    def flush(self) -> None:
        """Hand everything to the kernel.

        Raises:
            OSError: the disk takes no more; see `take_lost`.
        """
        self._pending_since_s = None
        self._storage.close_chunk()

    def take_lost(self) -> Counter[str]:
        """Messages per topic that the disk did not take since the last call."""
        names = {connection.id: name for name, connection in self._connections.items()}
        lost = Counter({names[channel]: n for channel, n in self._storage.lost.items()})
        self._storage.lost.clear()
        return lost

    def close(self, custom_data: Mapping[str, str], *, durable: bool = True) -> None:
        """Write the index and metadata.yaml.

        Args:
            custom_data: goes into metadata.yaml.
            durable: wait until the disk has everything, so that a power cut cannot harm it.

        Raises:
            OSError: the disk does not take it; what was flushed can be repaired.
        """
        for key, value in custom_data.items():
            self._writer.set_custom_data(key, value)
        storage = self._storage
        storage.close_chunk()
        # rosbags counts what it was given; this is what the disk took
        self._writer.counts.update(storage.channel_stats)
        self._writer.min_timestamp = storage.message_start_time
        self._writer.max_timestamp = storage.message_end_time
        path = storage.path
        self._writer.close()
        if durable:
            sync_files(path, self.folder / "metadata.yaml", self.folder, self.folder.parent)

    def abort(self) -> None:
        """End without index and metadata.yaml."""
        self._writer.abort()

    @property
    def _storage(self) -> McapStorage:
        storage = self._writer.storage
        if not isinstance(storage, McapStorage):
            raise RecordingError(f"bag {self.folder} is not open; call open() first")
        return storage


def sync_files(*paths: Path) -> None:
    """Wait until the disk has these files and folders.

    Raises:
        OSError: it does not take them.
    """
    for path in paths:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def is_being_recorded(mcap: Path) -> bool:
    """Whether a living process has this file open as a `BagFile`.

    Raises:
        OSError: the file cannot be opened.
    """
    with mcap.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


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

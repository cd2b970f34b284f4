"""Reads an episode: topics, messages, frames, paths and calibration as arrays.

Compressed images are expanded here, and only here: whoever reads an episode meets
sensor_msgs/Image on the topics of the contract, however the images are stored. `stored` gives
what lies in the bag, for those who look at few of the messages or copy them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader
from rosbags.interfaces import MessageDefinitionFormat

from spatialbot_model.contracts.episode import (
    COLOR_INFO_TOPIC,
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EE_POSE_TOPIC,
    GRIPPER_TOPIC,
    JOINTS_TOPIC,
    STATIC_TF_TOPIC,
    EpisodeMetadata,
)
from spatialbot_model.contracts.episode_images import logical_topic
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.frame_tree import FrameTree
from spatialbot_model.contracts.message_fields import image_of, intrinsics_of, transform_of
from spatialbot_model.contracts.types import BASE_FRAME, CameraIntrinsics
from spatialbot_model.data.message_definitions import check_definition
from spatialbot_ros.episodes.image_compression import IMAGE_TYPE, expand
from spatialbot_ros.episodes.message_types import message_types

_FORMATS = {MessageDefinitionFormat.MSG: "ros2msg", MessageDefinitionFormat.IDL: "ros2idl"}


@dataclass(frozen=True, slots=True)
class Series:
    """Values over ROS time.

    Attributes:
        stamps_ns: (N,) int64.
        values: (N, ...) float64.
        names: of the last axis.
    """

    stamps_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    names: tuple[str, ...]


class EpisodeReader:
    """Context manager over one episode folder.

    Raises:
        RecordingError: on entering: not an episode, or one that was never closed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reader: AnyReader | None = None
        self._metadata: EpisodeMetadata | None = None
        self._types: dict[str, str] = {}

    def __enter__(self) -> "EpisodeReader":
        self._metadata = read_sidecar(self.folder)
        if not (self.folder / "metadata.yaml").is_file():
            raise RecordingError(
                f"{self.folder} was not closed: it has no metadata.yaml. Either it is being"
                f" recorded, or its recorder was killed; then `spatialbot episodes repair"
                f" {self.folder}` recovers it"
            )
        try:
            reader = AnyReader([self.folder])
            reader.open()
        except Exception as error:  # rosbags meets damage with whatever breaks first
            raise RecordingError(
                f"{self.folder} cannot be opened as a rosbag2: {error or type(error).__name__}."
                f" `spatialbot episodes repair {self.folder}` recovers what can be read"
            ) from error
        try:
            for connection in reader.connections:
                form = _FORMATS.get(connection.msgdef.format)
                if form:
                    check_definition(connection.msgtype, form, connection.msgdef.data)
        except RecordingError:
            reader.close()
            raise
        self._reader = reader
        self._types = {c.topic: c.msgtype for c in reader.connections}
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open_reader.close()
        self._reader = None

    @property
    def metadata(self) -> EpisodeMetadata:
        """What the episode says about itself."""
        if self._metadata is None:
            self._metadata = read_sidecar(self.folder)
        return self._metadata

    @property
    def stored_topics(self) -> dict[str, tuple[str, int]]:
        """Topic name -> (ROS type, number of messages), as they lie in the bag."""
        return {c.topic: (c.msgtype, c.msgcount) for c in self._open_reader.connections}

    @property
    def type_hashes(self) -> dict[str, str]:
        """Topic name, as in the bag -> RIHS01 hash of its type as the bag defines it."""
        store = self._open_reader.typestore
        return {c.topic: store.hash_rihs01(c.msgtype) for c in self._open_reader.connections}

    @property
    def topics(self) -> dict[str, tuple[str, int]]:
        """Topic name -> (ROS type, number of messages), with all images raw."""
        topics = {}
        for name, (ros_type, number) in self.stored_topics.items():
            topic = logical_topic(name)
            topics[topic] = (IMAGE_TYPE if topic != name else ros_type, number)
        return topics

    def stored(self, *topics: str) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time [ns], CDR bytes) as they lie in the bag, in order of time.

        Args:
            topics: by their names in the contract or in the bag; none for all.

        Raises:
            RecordingError: the bag is damaged.
        """
        reader = self._open_reader
        connections = [
            c
            for c in reader.connections
            if not topics or c.topic in topics or logical_topic(c.topic) in topics
        ]
        if not connections:
            return
        messages = reader.messages(connections)
        while True:
            try:
                connection, stamp_ns, data = next(messages)
            except StopIteration:
                return
            except Exception as error:  # rosbags meets damage with whatever breaks first
                raise RecordingError(
                    f"the bag of {self.folder} is damaged: {error or type(error).__name__}"
                ) from error
            yield connection.topic, stamp_ns, data

    def raw(self, *topics: str) -> Iterator[tuple[str, int, bytes]]:
        """(topic, log time [ns], CDR bytes) in order of time, with all images raw.

        Args:
            topics: by their names in the contract; none for all.

        Raises:
            RecordingError: the bag is damaged, or a compressed image does not decode.
        """
        for name, stamp_ns, data in self.stored(*topics):
            topic = logical_topic(name)
            if topic != name:
                image = self.message(name, data)
                data = bytes(message_types().serialize_cdr(image, IMAGE_TYPE))
            yield topic, stamp_ns, data

    def messages(self, *topics: str) -> Iterator[tuple[str, int, Any]]:
        """(topic, log time [ns], message) in order of time, with all images raw.

        Args:
            topics: by their names in the contract; none for all.

        Raises:
            RecordingError: the bag is damaged, or a message does not decode.
        """
        for name, stamp_ns, data in self.stored(*topics):
            yield logical_topic(name), stamp_ns, self.message(name, data)

    def message(self, stored_topic: str, data: bytes) -> Any:
        """The message of the contract from what `stored` gave.

        Raises:
            RecordingError: it does not decode.
        """
        message = self.decode(stored_topic, self._types[stored_topic], data)
        topic = logical_topic(stored_topic)
        return message if topic == stored_topic else expand(topic, message)

    def decode(self, topic: str, ros_type: str, data: bytes) -> Any:
        """One message from its CDR bytes.

        Raises:
            RecordingError: it does not decode.
        """
        try:
            return self._open_reader.deserialize(data, ros_type)
        except Exception as error:  # rosbags' generated decoders raise whatever breaks first
            raise RecordingError(
                f"a message of {topic} in {self.folder} is no {ros_type}: {error}"
            ) from error

    def color_frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(stamp [ns], (H, W, 3) uint8 RGB), read-only."""
        for _, stamp_ns, message in self.messages(COLOR_TOPIC):
            yield stamp_ns, image_of(message)

    def depth_frames(self) -> Iterator[tuple[int, NDArray[np.uint16]]]:
        """(stamp [ns], (H, W) uint16 mm aligned to colour, 0 = no return), read-only."""
        for _, stamp_ns, message in self.messages(DEPTH_TOPIC):
            yield stamp_ns, image_of(message)

    def intrinsics(self) -> CameraIntrinsics:
        """Pinhole model of colour and aligned depth.

        Raises:
            RecordingError: the episode holds no camera_info.
        """
        for _, _, info in self.messages(COLOR_INFO_TOPIC):
            return intrinsics_of(info)
        raise RecordingError(f"{self.folder} holds no message of {COLOR_INFO_TOPIC}")

    def T_base_camera(self) -> NDArray[np.float64] | None:
        """(4, 4) pose of the colour camera's optical frame in the base frame, if recorded."""
        tree = FrameTree()
        for _, _, message in self.messages(STATIC_TF_TOPIC):
            for entry in message.transforms:
                T = transform_of(entry.transform)
                tree.set(entry.header.frame_id, entry.child_frame_id, T)
        for _, _, info in self.messages(COLOR_INFO_TOPIC):
            return tree.lookup(BASE_FRAME, info.header.frame_id)
        return None

    def gripper_path(self) -> Series:
        """Tool centre point over time: (N, 3) x, y, z [m] in the base frame."""
        stamps, points = [], []
        for _, stamp_ns, message in self.messages(EE_POSE_TOPIC):
            p = message.pose.position
            stamps.append(stamp_ns)
            points.append((p.x, p.y, p.z))
        return _series(stamps, points, ("x", "y", "z"))

    def gripper_width(self) -> Series:
        """(N, 2): measured width [m] and what was asked for (1 = closed)."""
        stamps, values = [], []
        for _, stamp_ns, message in self.messages(GRIPPER_TOPIC):
            stamps.append(stamp_ns)
            values.append((message.width, float(message.closed_command)))
        return _series(stamps, values, ("width", "closed"))

    def joints(self) -> Series:
        """(N, J) joint positions [rad, m for fingers]."""
        stamps, values, names = [], [], ()
        for _, stamp_ns, message in self.messages(JOINTS_TOPIC):
            names = names or tuple(message.name)
            stamps.append(stamp_ns)
            values.append(message.position)
        return _series(stamps, values, names)

    @property
    def _open_reader(self) -> AnyReader:
        if self._reader is None:
            raise RecordingError(f"episode {self.folder} is not open; use `with EpisodeReader(..)`")
        return self._reader


def _series(stamps: list[int], values: list[Any], names: tuple[str, ...]) -> Series:
    array = np.array(values, dtype=np.float64).reshape(len(stamps), len(names))
    return Series(np.array(stamps, dtype=np.int64), array, names)

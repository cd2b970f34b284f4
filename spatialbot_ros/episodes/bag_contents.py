"""A recorded episode as `EpisodeContents`, and `EpisodeContents` as a rosbag2 again."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_INFO_TOPIC,
    COLOR_TOPIC,
    CUSTOM_DATA_KEY,
    DEPTH_TOPIC,
    EE_POSE_TOPIC,
    EPISODE_TOPICS,
    GRIPPER_TOPIC,
    JOINTS_TOPIC,
    POLICY_STEP_TOPIC,
    SAFETY_EVENT_TOPIC,
)
from spatialbot_model.contracts.episode_contents import EpisodeContents, Steps, StoredMessage
from spatialbot_model.contracts.episode_images import logical_topic
from spatialbot_model.contracts.episode_sidecar import metadata_to_json, write_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import image_of, intrinsics_of, stamp_ns_of
from spatialbot_model.contracts.path_names import check_file_name
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame
from spatialbot_ros.episodes.bag_file import BagFile
from spatialbot_ros.episodes.message_types import message_types
from spatialbot_ros.episodes.message_versions import (
    check_hashes,
    installed_hashes,
    to_installed,
)
from spatialbot_ros.episodes.reader import EpisodeReader

_IMAGES = (COLOR_TOPIC, DEPTH_TOPIC)
_STATES = (EE_POSE_TOPIC, JOINTS_TOPIC, GRIPPER_TOPIC)
_IMAGE_TYPE = "sensor_msgs/msg/Image"


def read_bag(folder: Path) -> EpisodeContents:
    """Everything of an episode but its images, which `EpisodeContents.frames` streams.

    Raises:
        RecordingError: not a closed episode, damaged, or it lacks camera_info or a state topic.
    """
    with EpisodeReader(folder) as reader:
        scan = _Scan(reader)
        steps = scan.steps()
        return EpisodeContents(
            name=folder.resolve().name,
            metadata=reader.metadata,
            intrinsics=scan.camera,
            joint_names=scan.joint_names,
            image_frame_id=scan.image_frame_id,
            steps=steps,
            messages=tuple(scan.messages),
            type_hashes=dict(installed_hashes()),
            frames=partial(_frames, folder, scan.camera),
            num_frames=len(scan.pairs),
            num_refused=scan.num_refused,
            num_lone_images=len(scan.stamps[COLOR_TOPIC] ^ scan.stamps[DEPTH_TOPIC]),
        )


class _Scan:
    """One pass over a bag, images skipped."""

    def __init__(self, reader: EpisodeReader) -> None:
        self._folder = reader.folder
        self.messages: list[StoredMessage] = []
        self.num_refused = 0
        self.stamps: dict[str, set[int]] = {topic: set() for topic in _IMAGES}
        self._decoded: dict[str, list[tuple[int, Any]]] = {
            topic: [] for topic in (*_STATES, ACTION_TOPIC, POLICY_STEP_TOPIC, SAFETY_EVENT_TOPIC)
        }
        info: Any = None
        installed, recorded = installed_hashes(), reader.type_hashes
        older = {topic for topic in recorded if recorded[topic] != installed.get(topic)}
        for stored_topic, stamp_ns, data in reader.stored():
            topic = logical_topic(stored_topic)
            if topic in self.stamps:
                self.stamps[topic].add(stamp_ns)
                continue
            if topic not in EPISODE_TOPICS:
                continue
            message: Any = None
            if topic in self._decoded or topic in older or topic == COLOR_INFO_TOPIC:
                message = reader.message(topic, data)
            if topic in older:
                data = to_installed(message, EPISODE_TOPICS[topic].ros_type)
            self.messages.append(StoredMessage(topic, stamp_ns, bytes(data)))
            if topic in self._decoded:
                self._decoded[topic].append((stamp_ns, message))
            elif topic == COLOR_INFO_TOPIC:
                info = info or message
        for topic, found in ((COLOR_INFO_TOPIC, info), *((t, self._decoded[t]) for t in _STATES)):
            if not found:
                raise RecordingError(
                    f"{self._folder} holds no message of {topic}; `spatialbot episodes check`"
                    " says what else is missing"
                )
        self.camera: CameraIntrinsics = intrinsics_of(info)
        self.image_frame_id: str = info.header.frame_id
        self.pairs = np.array(sorted(self.stamps[COLOR_TOPIC] & self.stamps[DEPTH_TOPIC]), np.int64)
        self.joint_names = tuple(self._decoded[JOINTS_TOPIC][0][1].name)

    def steps(self) -> Steps:
        """One row per action that has a frame and was not refused."""
        refused = {
            (message.source, message.sequence)
            for _, message in self._decoded[SAFETY_EVENT_TOPIC]
            if message.severity == message.REFUSED and message.sequence
        }
        answers = {
            (stamp_ns_of(m.observation_stamp), m.sequence): m.text
            for _, m in self._decoded[POLICY_STEP_TOPIC]
        }
        rows = []
        for sent_ns, message in self._decoded[ACTION_TOPIC]:
            if (message.source, message.sequence) in refused:
                self.num_refused += 1
                continue
            observed_ns = stamp_ns_of(message.observation_stamp)
            # an operator's action may name no frame, or one that was not recorded
            frame = int(np.searchsorted(self.pairs, observed_ns or sent_ns, side="right")) - 1
            if frame >= 0:
                rows.append((int(self.pairs[frame]), observed_ns, sent_ns, message))
        rows.sort(key=lambda row: row[:3])
        actions = [message for *_, message in rows]
        num = len(rows)
        stamps = np.array([row[:3] for row in rows], dtype=np.int64).reshape(num, 3)
        capture_ns = stamps[:, 0]
        ee, ee_ns = self._at(EE_POSE_TOPIC, capture_ns)
        joints, joint_ns = self._at(JOINTS_TOPIC, capture_ns)
        gripper, gripper_ns = self._at(GRIPPER_TOPIC, capture_ns)
        return Steps(
            capture_ns=capture_ns,
            observed_ns=stamps[:, 1],
            sent_ns=stamps[:, 2],
            sequence=np.array([m.sequence for m in actions], dtype=np.int64),
            source=tuple(m.source for m in actions),
            bins=np.array([m.bins for m in actions], dtype=np.int64).reshape(num, 7),
            translation_m=np.array([m.translation for m in actions]).reshape(num, 3),
            rotation_rad=np.array([m.rotation for m in actions]).reshape(num, 3),
            gripper_closed=np.array([m.gripper_closed for m in actions], dtype=bool),
            ee_pose=np.array([_pose(m.pose) for m in ee], dtype=np.float64).reshape(num, 7),
            ee_ns=ee_ns,
            joint_position=self._joint_positions(joints),
            joint_ns=joint_ns,
            gripper_width_m=np.array([m.width for m in gripper], dtype=np.float64),
            gripper_command_closed=np.array([m.closed_command for m in gripper], dtype=bool),
            gripper_ns=gripper_ns,
            policy_text=tuple(
                answers.get((stamp_ns_of(m.observation_stamp), m.sequence), "") for m in actions
            ),
        )

    def _at(self, topic: str, capture_ns: Any) -> tuple[list[Any], Any]:
        """The newest state not after each frame, and its stamp."""
        states = self._decoded[topic]
        stamps = np.array([stamp for stamp, _ in states], dtype=np.int64)
        chosen = np.maximum(np.searchsorted(stamps, capture_ns, side="right") - 1, 0)
        return [states[i][1] for i in chosen], stamps[chosen]

    def _joint_positions(self, messages: list[Any]) -> Any:
        for message in messages:
            if tuple(message.name) != self.joint_names:
                raise RecordingError(
                    f"{self._folder}: {JOINTS_TOPIC} names {', '.join(message.name)}, at first"
                    f" {', '.join(self.joint_names)}; expected the same joints throughout"
                )
        positions = [message.position for message in messages]
        return np.array(positions, dtype=np.float64).reshape(len(messages), len(self.joint_names))


def _pose(pose: Any) -> tuple[float, ...]:
    p, q = pose.position, pose.orientation
    return (p.x, p.y, p.z, q.x, q.y, q.z, q.w)


def _frames(folder: Path, camera: CameraIntrinsics) -> Iterator[RgbdFrame]:
    """Colour and depth of one stamp, in order; what has no other half is left out."""
    with EpisodeReader(folder) as reader:
        waiting: dict[int, tuple[str, Any]] = {}
        last_ns: int | None = None
        for topic, stamp_ns, message in reader.messages(*_IMAGES):
            # the log is in order of time: what waits with an older stamp waits in vain
            waiting = {ns: half for ns, half in waiting.items() if ns >= stamp_ns}
            other = waiting.get(stamp_ns)
            if other is None or other[0] == topic:
                waiting[stamp_ns] = (topic, message)
                continue
            halves = {topic: image_of(message), other[0]: image_of(other[1])}
            if stamp_ns != last_ns:
                yield RgbdFrame(stamp_ns, halves[COLOR_TOPIC], halves[DEPTH_TOPIC], camera)
            last_ns = stamp_ns


class BagDatasetWriter:
    """Context manager that writes each episode as a rosbag2 folder of its old name.

    Args:
        folder: where the episodes' folders go; made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._num_episodes = 0

    def __enter__(self) -> "BagDatasetWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc is None and not self._num_episodes:
            raise RecordingError("no episode was converted; a dataset holds at least one")

    def check(self, episode: EpisodeContents) -> None:
        """Nothing to refuse: bags share nothing."""

    def add(self, episode: EpisodeContents, progress: Callable[[], None] = lambda: None) -> None:
        """Write one episode: its messages as they were, its images raw.

        Raises:
            RecordingError: its name cannot be a folder's, or the disk does not take it.
        """
        name = check_file_name(episode.name, "the episode")
        # episodes of two sources may have one name
        number = 2
        while (self.folder / name).exists():
            name, number = f"{episode.name}_{number}", number + 1
        write_bag(self.folder / name, episode, progress)
        self._num_episodes += 1


def write_bag(
    folder: Path, episode: EpisodeContents, progress: Callable[[], None] = lambda: None
) -> None:
    """Write `episode` as a rosbag2 that `episodes check` accepts.

    Raises:
        RecordingError: the folder exists, or the disk does not take it.
    """
    check_hashes(episode.type_hashes, f"episode {episode.name}")
    bag = BagFile(folder, EPISODE_TOPICS.values())
    bag.open()
    counts: Counter[str] = Counter()
    try:
        for message in _merged(episode, progress):
            bag.write(message.topic, message.log_time_ns, message.data)
            counts[message.topic] += 1
        metadata = replace(episode.metadata, counts=dict(counts), image_formats={})
        write_sidecar(folder, metadata)
        bag.close({CUSTOM_DATA_KEY: metadata_to_json(metadata)}, durable=False)
    except OSError as error:
        bag.abort()
        raise RecordingError(f"{folder} cannot be written: {error.strerror or error}") from error
    except BaseException:
        bag.abort()
        raise


def _merged(episode: EpisodeContents, progress: Callable[[], None]) -> Iterator[StoredMessage]:
    """Messages and images in order of time."""
    messages = iter(episode.messages)
    waiting = next(messages, None)
    for frame in episode.frames():
        while waiting is not None and waiting.log_time_ns <= frame.stamp_ns:
            yield waiting
            waiting = next(messages, None)
        for topic, pixels, encoding in (
            (COLOR_TOPIC, frame.color, "rgb8"),
            (DEPTH_TOPIC, frame.depth_mm, "16UC1"),
        ):
            data = _image_cdr(pixels, encoding, frame.stamp_ns, episode.image_frame_id)
            yield StoredMessage(topic, frame.stamp_ns, data)
        progress()
    while waiting is not None:
        yield waiting
        waiting = next(messages, None)


def _image_cdr(pixels: Any, encoding: str, stamp_ns: int, frame_id: str) -> bytes:
    types = message_types().types
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    little = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False))
    image = types[_IMAGE_TYPE](
        header=types["std_msgs/msg/Header"](
            stamp=types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec),
            frame_id=frame_id,
        ),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=little[0].nbytes,
        data=little.reshape(-1).view(np.uint8),
    )
    return bytes(message_types().serialize_cdr(image, _IMAGE_TYPE))

"""What one recorded episode holds: its topics, its metadata and its folder name.

An episode is one rosbag2 MCAP directory. Writer, reader, replay and training agree because
they all read `EPISODE_TOPICS` and `EpisodeMetadata` here. Stamps are ROS time in nanoseconds
(simulation time in simulation); `/clock` is not recorded, the stamps carry it.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from typing import Any

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import RecordingError

SCHEMA_VERSION = 1
"""Raised whenever a reader of the previous version would misread an episode."""

CUSTOM_DATA_KEY = "spatialbot_episode"
"""Key of the metadata (as JSON) in the custom data of rosbag2's metadata.yaml."""

SIDECAR_NAME = "episode.json"
"""The same metadata as a file in the bag's folder, there from the first moment."""

LABELS = ("success", "failure", "unknown")

COLOR_TOPIC = "/camera/camera/color/image_raw"
COLOR_INFO_TOPIC = "/camera/camera/color/camera_info"
DEPTH_TOPIC = "/camera/camera/aligned_depth_to_color/image_raw"
DEPTH_INFO_TOPIC = "/camera/camera/aligned_depth_to_color/camera_info"
JOINTS_TOPIC = "/joint_states"
EE_POSE_TOPIC = "/spatialbot/ee_pose"
GRIPPER_TOPIC = "/spatialbot/gripper"
ACTION_TOPIC = "/spatialbot/action"
POLICY_STEP_TOPIC = "/spatialbot/policy_step"
ANNOTATION_TOPIC = "/spatialbot/annotation"
INSTRUCTION_TOPIC = "/spatialbot/instruction"
SAFETY_EVENT_TOPIC = "/spatialbot/safety_event"
EXECUTOR_STATE_TOPIC = "/spatialbot/executor_state"
STATIC_TF_TOPIC = "/tf_static"


class TopicRole(Enum):
    """How a topic behaves in time."""

    IMAGE = "image"
    """A frame at camera rate; stamps strictly increase."""
    STATE = "state"
    """Comes all the time."""
    EVENT = "event"
    """Comes when something happens; may stay away."""
    STATIC = "static"
    """Latched: sent once, valid for ever."""


@dataclass(frozen=True, slots=True)
class EpisodeTopic:
    """One topic of an episode.

    Attributes:
        name: absolute topic name.
        ros_type: full type name, ``package/msg/Name``.
        role: how it behaves in time.
        required: an episode without one message of it is not complete.
        has_header: the message starts with a std_msgs/Header, whose stamp is the log time;
            otherwise the log time is the ROS time of reception.
    """

    name: str
    ros_type: str
    role: TopicRole
    required: bool = True
    has_header: bool = True

    @property
    def continuous(self) -> bool:
        """Comes all the time while the robot and the camera run."""
        return self.role in (TopicRole.IMAGE, TopicRole.STATE)


_I, _S, _E = TopicRole.IMAGE, TopicRole.STATE, TopicRole.EVENT
EPISODE_TOPICS: Mapping[str, EpisodeTopic] = {
    topic.name: topic
    for topic in (
        EpisodeTopic(COLOR_TOPIC, "sensor_msgs/msg/Image", _I),  # rgb8
        EpisodeTopic(COLOR_INFO_TOPIC, "sensor_msgs/msg/CameraInfo", _S),
        EpisodeTopic(DEPTH_TOPIC, "sensor_msgs/msg/Image", _I),  # 16UC1 in mm, 0 = no return
        EpisodeTopic(DEPTH_INFO_TOPIC, "sensor_msgs/msg/CameraInfo", _S),
        EpisodeTopic(JOINTS_TOPIC, "sensor_msgs/msg/JointState", _S),
        EpisodeTopic(EE_POSE_TOPIC, "geometry_msgs/msg/PoseStamped", _S),
        EpisodeTopic(GRIPPER_TOPIC, "spatialbot_msgs/msg/GripperState", _S),
        EpisodeTopic(EXECUTOR_STATE_TOPIC, "spatialbot_msgs/msg/ExecutorState", _S),
        EpisodeTopic(ACTION_TOPIC, "spatialbot_msgs/msg/DeltaAction", _E),
        EpisodeTopic(POLICY_STEP_TOPIC, "spatialbot_msgs/msg/PolicyStep", _E, required=False),
        EpisodeTopic(ANNOTATION_TOPIC, "spatialbot_msgs/msg/Annotation", _E, required=False),
        EpisodeTopic(
            INSTRUCTION_TOPIC, "std_msgs/msg/String", _E, required=False, has_header=False
        ),
        EpisodeTopic(SAFETY_EVENT_TOPIC, "spatialbot_msgs/msg/SafetyEvent", _E, required=False),
        EpisodeTopic(STATIC_TF_TOPIC, "tf2_msgs/msg/TFMessage", TopicRole.STATIC, has_header=False),
    )
}


@dataclass(frozen=True, slots=True)
class EpisodeMetadata:
    """What an episode says about itself.

    Attributes:
        task: task name; the folder's name starts with it.
        instruction: what the robot was asked to do.
        action_spec: `ActionSpec.to_mapping()`: what the recorded bins mean.
        seed: scene seed, None when the scene had none.
        label: one of `LABELS`.
        reason: why it ended, in words.
        robot, camera: identity of the devices.
        software_version: version of this software.
        start_ns, stop_ns: ROS time; `stop_ns` is None in an episode that was not closed.
        counts: messages written, per topic.
        drops: messages known to be lost (queue full, or lost in the middleware), per topic.
        backwards: messages stamped before their predecessor, per topic; readers sort by stamp,
            so that only the writer can see them.
        image_formats: `ImageFormats.to_mapping()`; empty when all images are raw.
        label_history: what `relabelled` replaced, oldest first: label, reason and until when.
        provenance: how it was made, name -> text or number, where that is not the plain way:
            policy, checkpoint, round.

    Raises:
        RecordingError: a value that no writer of this schema would leave.
    """

    task: str
    instruction: str
    action_spec: Mapping[str, float | str]
    seed: int | None = None
    label: str = "unknown"
    reason: str = ""
    robot: str = ""
    camera: str = ""
    software_version: str = ""
    start_ns: int = 0
    stop_ns: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)
    backwards: Mapping[str, int] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION
    image_formats: Mapping[str, Any] = field(default_factory=dict)
    label_history: tuple[Mapping[str, str], ...] = ()
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise RecordingError(
                f"episode schema version is {self.schema_version!r}, this software reads"
                f" {SCHEMA_VERSION}; use the software version that the episode names"
            )
        check_label(self.label)
        for name in ("task", "instruction", "reason", "robot", "camera", "software_version"):
            if not isinstance(getattr(self, name), str):
                raise RecordingError(
                    f"episode metadata: {name} is {getattr(self, name)!r}, expected text"
                )
        for name, optional in (("seed", True), ("stop_ns", True), ("start_ns", False)):
            value = getattr(self, name)
            if not (_is_count(value, signed=True) or (optional and value is None)):
                raise RecordingError(
                    f"episode metadata: {name} is {value!r}, expected a whole number"
                )
        if self.stop_ns is not None and self.stop_ns < self.start_ns:
            raise RecordingError(
                f"episode metadata: it stops at {self.stop_ns} ns, before its start at"
                f" {self.start_ns} ns"
            )
        for name in ("counts", "drops", "backwards"):
            table = getattr(self, name)
            if not isinstance(table, Mapping) or not all(
                isinstance(topic, str) and _is_count(n) for topic, n in table.items()
            ):
                raise RecordingError(
                    f"episode metadata: {name} is {table!r}, expected topic -> number"
                )
        if not isinstance(self.image_formats, Mapping):
            raise RecordingError(
                f"episode metadata: image_formats is {self.image_formats!r}, expected a mapping"
            )
        if not isinstance(self.label_history, tuple) or not all(
            isinstance(entry, Mapping) and set(entry) == {"label", "reason", "until"}
            for entry in self.label_history
        ):
            raise RecordingError(
                f"episode metadata: label_history is {self.label_history!r}, expected entries of"
                " label, reason and until"
            )
        if not isinstance(self.provenance, Mapping) or not all(
            isinstance(name, str) and isinstance(value, str | int | float)
            for name, value in self.provenance.items()
        ):
            raise RecordingError(
                f"episode metadata: provenance is {self.provenance!r}, expected name -> text or"
                " number"
            )
        ActionSpec.from_mapping(self.action_spec)

    @property
    def spec(self) -> ActionSpec:
        """The action spec as an object."""
        return ActionSpec.from_mapping(self.action_spec)

    @property
    def duration_s(self) -> float | None:
        """ROS time between start and stop, None in an episode that was not closed."""
        return None if self.stop_ns is None else (self.stop_ns - self.start_ns) / 1e9

    def closed(
        self,
        *,
        label: str,
        reason: str,
        stop_ns: int,
        counts: Mapping[str, int],
        drops: Mapping[str, int],
        backwards: Mapping[str, int],
    ) -> "EpisodeMetadata":
        """The metadata of the finished episode."""
        return replace(
            self,
            label=label,
            reason=reason,
            # a simulation that restarted its clock must not make the episode unreadable
            stop_ns=max(stop_ns, self.start_ns),
            counts=dict(counts),
            drops={topic: n for topic, n in drops.items() if n},
            backwards=dict(backwards),
        )

    def relabelled(self, label: str, reason: str, now: str) -> "EpisodeMetadata":
        """The metadata with another label; the old one is kept in the history.

        Args:
            label: one of `LABELS`.
            reason: why, in words.
            now: time of the change, for people; e.g. ``2026-01-31T12:00:00Z``.
        """
        replaced = {"label": self.label, "reason": self.reason, "until": now}
        history = (*self.label_history, replaced)
        return replace(self, label=label, reason=reason, label_history=history)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON; what came after version 1's first release only when it is set."""
        values = asdict(self)
        return {k: v for k, v in values.items() if v or k not in _OPTIONAL_FIELDS}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "EpisodeMetadata":
        """Inverse of `to_mapping`; every field but the optional ones must be there.

        Raises:
            RecordingError: missing or unknown fields, or unusable values.
        """
        if not isinstance(data, Mapping):
            raise RecordingError(f"episode metadata must be a mapping, got {data!r}")
        known = {f.name for f in fields(cls)}
        version = data.get("schema_version")
        missing, unknown = known - set(data) - _OPTIONAL_FIELDS, set(data) - known
        if version == SCHEMA_VERSION and (missing or unknown):
            raise RecordingError(
                f"episode metadata lacks {sorted(missing)} and has unknown"
                f" {sorted(map(str, unknown))}; expected exactly {sorted(known)}"
            )
        values = {name: data[name] for name in known & set(data)}
        if isinstance(values.get("label_history"), list):
            values["label_history"] = tuple(values["label_history"])
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise RecordingError(f"episode metadata cannot be used: {error}") from error


_OPTIONAL_FIELDS = {"image_formats", "label_history", "provenance"}


def check_label(label: str) -> None:
    """Refuse what is not one of `LABELS`.

    Raises:
        RecordingError: lists the labels.
    """
    if label not in LABELS:
        raise RecordingError(f"episode label is {label!r}; choose one of: {', '.join(LABELS)}")


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def episode_folder_name(
    task: str, seed: int | None, label_of_time: str, number: int | None = None
) -> str:
    """Folder name of an episode, ``<task>[_seed<seed>][_<number>]_<time>``; one path component.

    Args:
        task: task name; letters, digits, ``. _ -``, beginning with a letter or digit.
        seed: scene seed or None.
        label_of_time: e.g. ``20260131T120000.123Z``.
        number: counts the episodes of a session, from 1; written with four digits or more.

    Raises:
        RecordingError: the task cannot be a folder name.
    """
    if not _NAME.fullmatch(task) or ".." in task:
        raise RecordingError(
            f"task name {task!r} cannot be a folder name; use 1 to 80 letters, digits or . _ -,"
            " beginning with a letter or digit, without '..'"
        )
    parts = [task]
    parts += [] if seed is None else [f"seed{seed}"]
    parts += [] if number is None else [f"{number:04d}"]
    return "_".join([*parts, label_of_time])


def _is_count(value: object, *, signed: bool = False) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (signed or value >= 0)

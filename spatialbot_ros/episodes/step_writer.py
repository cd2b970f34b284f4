"""Writes control steps as an episode: the bag that a recorder on the robot would have written.

Everything of a step carries the stamp of its frame. The executed action is the DeltaAction, whose
source says who it came from; the text of the expert, whose action it may or may not be, is the
PolicyStep of the same sequence. What a policy said that could not be executed is a SafetyEvent of
that sequence, because the arm held. Steps come from the simulation in this process, by duck type:
this side knows the contracts only.
"""

import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.action_codec import FINISHED_TEXT, DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import BASE_FRAME, RgbdFrame
from spatialbot_ros.episodes.message_builder import build, header, stamp, to_cdr
from spatialbot_ros.episodes.step_messages import (
    AnnotationLike,
    annotation_message,
    camera_info_message,
    image_message,
    pose_message,
    static_transform_message,
)
from spatialbot_ros.episodes.writer import EpisodeWriter
from spatialbot_ros.holding import HoldingCheck
from spatialbot_ros.safety_records import Severity

_JOINT_NAMES = [f"fr3_joint{i}" for i in range(1, 8)] + [f"fr3_finger_joint{i}" for i in (1, 2)]
_QUEUE_BYTES = 24 * 1024**2
"""Steps wait until the disk has taken what is more than this; nothing is dropped."""
_POLL_S = 0.001


class SceneLike(Protocol):
    """What is stored about a scene."""

    @property
    def task(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def instruction(self) -> str: ...


class StartLike(Protocol):
    """See `spatialbot_sim.episode_sink.EpisodeStart`."""

    @property
    def scene(self) -> SceneLike: ...
    @property
    def spec(self) -> ActionSpec: ...
    @property
    def variant(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def T_base_color(self) -> NDArray[np.float64]: ...


class RobotLike(Protocol):
    """See `spatialbot_sim.proprioception.Proprioception`."""

    @property
    def q_rad(self) -> NDArray[np.float64]: ...
    @property
    def dq_rad_s(self) -> NDArray[np.float64]: ...
    @property
    def finger_m(self) -> NDArray[np.float64]: ...
    @property
    def T_base_ee(self) -> NDArray[np.float64]: ...
    @property
    def T_base_target(self) -> NDArray[np.float64]: ...
    @property
    def gripper_width_m(self) -> float: ...
    @property
    def gripper_closed(self) -> bool: ...


class StepLike(Protocol):
    """See `spatialbot_sim.episode_sink.StepRecord`."""

    @property
    def sequence(self) -> int: ...
    @property
    def frame(self) -> RgbdFrame: ...
    @property
    def robot(self) -> RobotLike: ...
    @property
    def action(self) -> DeltaAction | None: ...
    @property
    def source(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def stage(self) -> str: ...
    @property
    def robot_time_s(self) -> float: ...
    @property
    def remark(self) -> str: ...
    @property
    def annotations(self) -> Sequence[AnnotationLike]: ...


@dataclass(frozen=True, slots=True)
class StepWriterFactory:
    """Makes the sinks of worker processes; may be pickled.

    Attributes:
        directory: where the episodes' folders go.
        formats: how images are stored.
        robot, camera, software_version: identity, for the metadata.
        provenance: how the episodes are made, for the metadata. A finished episode of another
            provenance is not taken for one of these.
        reserve_bytes: free disk space that is left alone.
    """

    directory: Path
    formats: ImageFormats = field(default_factory=ImageFormats)
    robot: str = "simulated fr3"
    camera: str = "simulated D435"
    software_version: str = ""
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)
    reserve_bytes: int = 256 * 1024**2

    def __call__(self) -> "StepWriter":
        """A sink of its own."""
        return StepWriter(self)


class StepWriter:
    """One episode after the other: `begin`, `write` per step, then `end` or `discard`."""

    def __init__(self, settings: StepWriterFactory) -> None:
        self._settings = settings
        self._writer: EpisodeWriter | None = None
        self._holding = HoldingCheck()
        self._spec_id = ""
        self._instruction = ""
        self._policy = "expert"
        self._start_ns = 0

    def folder_of(self, scene: SceneLike, variant: str) -> Path:
        """Where the episode of a scene belongs."""
        name = contract.episode_folder_name(scene.task, scene.seed, variant)
        return self._settings.directory / name

    def finished(self, scene: SceneLike, variant: str) -> str:
        """Folder of the finished episode of a scene, "" when there is none.

        Raises:
            RecordingError: there is one that was made in another way.
        """
        folder = self.folder_of(scene, variant)
        if not _is_closed(folder):
            return ""
        theirs, ours = read_sidecar(folder).provenance, self._settings.provenance
        if theirs != ours:
            differing = {
                key: f"{theirs.get(key)!r} there, {ours.get(key)!r} now"
                for key in sorted({*theirs, *ours})
                if theirs.get(key) != ours.get(key)
            }
            raise RecordingError(
                f"{folder} was made in another way ({differing}); choose another folder or round,"
                " or remove it"
            )
        return str(folder)

    def begin(self, start: StartLike) -> None:
        """Open the episode; what an interrupted run left of it is removed.

        Raises:
            RecordingError: the disk is full or cannot be written to.
        """
        folder = self.folder_of(start.scene, start.variant)
        if folder.exists() and not _is_closed(folder):
            shutil.rmtree(folder)
        settings = self._settings
        metadata = contract.EpisodeMetadata(
            task=start.scene.task,
            instruction=start.scene.instruction,
            action_spec=start.spec.to_mapping(),
            seed=start.scene.seed,
            robot=settings.robot,
            camera=settings.camera,
            software_version=settings.software_version,
            start_ns=start.start_ns,
            provenance=settings.provenance,
        )
        writer = EpisodeWriter(
            folder,
            metadata,
            formats=settings.formats,
            # never full: `write` waits for room
            queue_bytes=8 * _QUEUE_BYTES,
            reserve_bytes=settings.reserve_bytes,
            durable=False,
        )
        writer.open()
        self._writer, self._holding = writer, HoldingCheck()
        self._spec_id, self._instruction = start.spec.id, start.scene.instruction
        self._start_ns = start.start_ns
        for topic, message in (
            (
                contract.STATIC_TF_TOPIC,
                static_transform_message(start.T_base_color, start.start_ns),
            ),
            (contract.INSTRUCTION_TOPIC, build("std_msgs/msg/String", data=self._instruction)),
        ):
            self._put(topic, message, start.start_ns)

    def write(self, record: StepLike) -> None:
        """Store one step; waits while the disk is behind.

        Raises:
            RecordingError: the disk does not take it.
        """
        writer = self._opened
        while writer.queued_bytes > _QUEUE_BYTES and not writer.error:
            time.sleep(_POLL_S)
        if writer.error:
            raise RecordingError(f"episode {writer.folder} cannot be written: {writer.error}")
        for topic, message in self._messages(record).items():
            self._put(topic, message, record.frame.stamp_ns)
        for annotation in record.annotations:
            message = annotation_message(annotation, record.frame.stamp_ns)
            self._put(contract.ANNOTATION_TOPIC, message, record.frame.stamp_ns)

    def end(self, label: str, reason: str, stop_ns: int) -> str:
        """Finish the episode.

        Returns:
            Its folder.

        Raises:
            RecordingError: the disk did not take everything.
        """
        writer = self._opened
        self._writer = None
        writer.close(label, reason, stop_ns)
        return str(writer.folder)

    def discard(self) -> None:
        """Remove the episode that is open; allowed when none is."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()

    @property
    def _opened(self) -> EpisodeWriter:
        if self._writer is None:
            raise RecordingError("no episode is open; call begin() first")
        return self._writer

    def _put(self, topic: str, message: Any, stamp_ns: int) -> None:
        data = to_cdr(message, contract.EPISODE_TOPICS[topic].ros_type)
        self._opened.write(topic, data, stamp_ns)

    def _messages(self, record: StepLike) -> Mapping[str, Any]:
        """Everything of one step, by topic."""
        frame, robot = record.frame, record.robot
        ns = frame.stamp_ns
        info = camera_info_message(frame.intrinsics, ns)
        holding = self._holding.update(
            record.robot_time_s, robot.gripper_closed, robot.gripper_width_m
        )
        lag_m = np.linalg.norm(robot.T_base_target[:3, 3] - robot.T_base_ee[:3, 3])
        measured = pose_message(robot.T_base_ee)
        messages = {
            contract.COLOR_INFO_TOPIC: info,
            contract.DEPTH_INFO_TOPIC: info,
            contract.COLOR_TOPIC: image_message(frame.color, "rgb8", ns),
            contract.DEPTH_TOPIC: image_message(frame.depth_mm, "16UC1", ns),
            contract.JOINTS_TOPIC: build(
                "sensor_msgs/msg/JointState",
                header=header(ns, BASE_FRAME),
                name=_JOINT_NAMES,
                position=np.concatenate([robot.q_rad, robot.finger_m]),
                velocity=np.concatenate([robot.dq_rad_s, np.zeros(2)]),
            ),
            contract.EE_POSE_TOPIC: build(
                "geometry_msgs/msg/PoseStamped", header=header(ns, BASE_FRAME), pose=measured
            ),
            contract.GRIPPER_TOPIC: build(
                "spatialbot_msgs/msg/GripperState",
                header=header(ns, BASE_FRAME),
                width=robot.gripper_width_m,
                closed_command=robot.gripper_closed,
                holding=holding,
            ),
            contract.EXECUTOR_STATE_TOPIC: build(
                "spatialbot_msgs/msg/ExecutorState",
                header=header(ns, BASE_FRAME),
                state="running",
                detail="follows actions",
                last_sequence=max(0, record.sequence - 1),
                target=pose_message(robot.T_base_target),
                measured=measured,
                tracking_error=float(lag_m),
                robot_time=record.robot_time_s,
            ),
            contract.POLICY_STEP_TOPIC: build(
                "spatialbot_msgs/msg/PolicyStep",
                header=header(ns, BASE_FRAME),
                observation_stamp=stamp(ns),
                depth_checksum=zlib.crc32(np.ascontiguousarray(frame.depth_mm).data),
                sequence=record.sequence,
                policy=self._policy,
                instruction=self._instruction,
                text=record.text,
                stage=record.stage,
                finished=record.text == FINISHED_TEXT,
            ),
        }
        if record.action is not None:
            messages[contract.ACTION_TOPIC] = build(
                "spatialbot_msgs/msg/DeltaAction",
                header=header(ns, record.action.spec.frame),
                observation_stamp=stamp(ns),
                sequence=record.sequence,
                source=record.source,
                action_spec_id=self._spec_id,
                bins=np.array(record.action.bins, np.uint8),
                translation=record.action.translation_m,
                rotation=record.action.rotation_rad,
                gripper_closed=record.action.gripper_closed,
            )
        if record.remark:
            messages[contract.SAFETY_EVENT_TOPIC] = build(
                "spatialbot_msgs/msg/SafetyEvent",
                header=header(ns, BASE_FRAME),
                name="hold",
                severity=int(Severity.NOTE),
                source=record.source,
                sequence=record.sequence,
                detail=record.remark,
            )
        return messages


def _is_closed(folder: Path) -> bool:
    """Whether a folder holds an episode that was written to its end."""
    # written last
    if not (folder / "metadata.yaml").is_file():
        return False
    try:
        return read_sidecar(folder).stop_ns is not None
    except RecordingError:
        return False

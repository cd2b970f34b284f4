"""What a whole episode holds, apart from how it is stored: the hinge of every conversion.

A rosbag2, a LeRobot dataset and an RLDS dataset are each read into `EpisodeContents` and written
from it, so that every format converts to every other and back.

`Steps` is the table a policy learns from: one row per recorded action, with the frame it was
computed from and the robot's state at that frame. `messages` is everything else that was
recorded, byte for byte, so that nothing is lost on the way.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ACTION_NAMES
from spatialbot_model.contracts.episode import EpisodeMetadata
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame

POSE_NAMES = ("x", "y", "z", "qx", "qy", "qz", "qw")

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One recorded message: its CDR bytes as they came, with their encapsulation header."""

    topic: str
    log_time_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Steps:
    """One row per action that was followed, in order of `capture_ns`; stamps are ROS time [ns].

    Attributes:
        capture_ns: (N,) stamp of the row's frame, as the camera gave it.
        observed_ns: (N,) stamp that the action says it was computed from; equals
            `capture_ns` unless that frame was not recorded (teleoperation, say).
        sent_ns: (N,) when the action was sent.
        sequence: (N,) number of the action.
        source: who decided: policy, teleop, expert, ...
        bins: (N, 7) 0..100; what they mean is the metadata's ActionSpec.
        translation_m, rotation_rad: (N, 3) the same action in numbers, as recorded.
        gripper_closed: (N,) whether the action closes the gripper.
        ee_pose: (N, 7) tool centre point in the base frame: x y z [m], qx qy qz qw.
        joint_position: (N, J) [rad; m for fingers].
        gripper_width_m: (N,) measured.
        gripper_command_closed: (N,) what the gripper was last asked to do.
        ee_ns, joint_ns, gripper_ns: (N,) stamp of the state in this row: the newest one not
            after the frame, or the very first.
        policy_text: what the policy answered; empty when nobody answered in words.
    """

    capture_ns: Ints
    observed_ns: Ints
    sent_ns: Ints
    sequence: Ints
    source: tuple[str, ...]
    bins: Ints
    translation_m: Floats
    rotation_rad: Floats
    gripper_closed: Flags
    ee_pose: Floats
    ee_ns: Ints
    joint_position: Floats
    joint_ns: Ints
    gripper_width_m: Floats
    gripper_command_closed: Flags
    gripper_ns: Ints
    policy_text: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}
        if len(set(lengths.values())) != 1:
            raise RecordingError(f"the columns of an episode's steps differ in length: {lengths}")
        if self.bins.shape[1:] != (len(ACTION_NAMES),) or self.ee_pose.shape[1:] != (7,):
            raise RecordingError(
                f"steps have bins {self.bins.shape} and poses {self.ee_pose.shape}; expected"
                " (N, 7) each"
            )
        if np.any(np.diff(self.capture_ns) < 0):
            raise RecordingError("the steps of an episode are not in order of their frames")

    def __len__(self) -> int:
        return len(self.capture_ns)

    @property
    def action(self) -> NDArray[np.float32]:
        """(N, 7) dx, dy, dz [m], droll, dpitch, dyaw [rad], gripper (1 = closed)."""
        parts = (self.translation_m, self.rotation_rad, self.gripper_closed[:, None])
        return np.concatenate(parts, axis=1).astype(np.float32)

    @property
    def state(self) -> NDArray[np.float32]:
        """(N, 8 + J) pose of the tool centre point, gripper width [m], joint positions."""
        parts = (self.ee_pose, self.gripper_width_m[:, None], self.joint_position)
        return np.concatenate(parts, axis=1).astype(np.float32)

    def select(self, rows: Sequence[int] | Ints) -> "Steps":
        """These rows only, in the order given."""
        chosen: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            chosen[field.name] = (
                tuple(values[i] for i in rows) if isinstance(values, tuple) else values[rows]
            )
        return replace(self, **chosen)


@dataclass(frozen=True, slots=True)
class EpisodeContents:
    """One episode, its images streamed.

    Attributes:
        name: folder name of the episode.
        metadata: what it says about itself.
        intrinsics: pinhole model of colour and aligned depth.
        joint_names: of `Steps.joint_position`.
        image_frame_id: frame the images are stamped with.
        steps: what a policy learns from.
        messages: everything recorded but the images, in order of time.
        type_hashes: topic -> RIHS01 hash of the message definition that `messages` follow.
        frames: gives all RGB-D frames in order of time, the steps' and those between; each
            stamp once. Every call starts anew.
        num_frames: how many `frames` gives.
        num_refused: recorded actions that the executor did not follow; they are no steps.
        num_lone_images: recorded images whose other half was not; they cannot be converted.
    """

    name: str
    metadata: EpisodeMetadata
    intrinsics: CameraIntrinsics
    joint_names: tuple[str, ...]
    image_frame_id: str
    steps: Steps
    messages: tuple[StoredMessage, ...]
    type_hashes: Mapping[str, str]
    frames: Callable[[], Iterator[RgbdFrame]]
    num_frames: int
    num_lone_images: int = 0
    num_refused: int = 0

    def frames_with_rows(self) -> Iterator[tuple[RgbdFrame, range]]:
        """Every frame with the rows that were decided on it; most often one, or none.

        Raises:
            RecordingError: a row's frame does not come.
        """
        stamps, start = self.steps.capture_ns, 0
        for frame in self.frames():
            stop = int(np.searchsorted(stamps, frame.stamp_ns, side="right"))
            first = int(np.searchsorted(stamps, frame.stamp_ns, side="left"))
            if first != start:
                break
            yield frame, range(start, stop)
            start = stop
        if start != len(stamps):
            raise RecordingError(
                f"episode {self.name}: step {start} needs the frame of {stamps[start]} ns, which"
                " is missing; check the episode"
            )


def state_names(joint_names: Sequence[str]) -> list[str]:
    """Names of `Steps.state`'s numbers."""
    return [*POSE_NAMES, "gripper_width", *joint_names]

"""The robot's state at each frame, from the poses and gripper states of a bag."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.message_fields import pose_of, stamp_ns_of
from spatialbot_model.contracts.types import ROBOT_STATE_WIDTH, RobotState

LATE_NS = 30_000_000
"""A recording may begin with a frame; a state that follows it so soon is taken for it."""


def step_states(
    poses: Sequence[Any], grippers: Sequence[Any], frames_ns: Sequence[int]
) -> NDArray[np.float32]:
    """(N, 11) of `RobotState.vector` at each frame, NaN where nothing tells.

    Args:
        poses: PoseStamped messages of the tool centre point, in order.
        grippers: GripperState messages, in order.
        frames_ns: (N,) stamps.
    """
    states = np.full((len(frames_ns), ROBOT_STATE_WIDTH), np.nan, np.float32)
    pose_at, gripper_at = _at(poses, frames_ns), _at(grippers, frames_ns)
    for row, (pose, gripper) in enumerate(zip(pose_at, gripper_at, strict=True)):
        if pose >= 0 and gripper >= 0:
            message = grippers[gripper]
            states[row] = RobotState(
                pose_of(poses[pose].pose), float(message.width), bool(message.closed_command)
            ).vector()
    return states


def _at(messages: Sequence[Any], frames_ns: Sequence[int]) -> list[int]:
    """Newest message at or before each frame, or the first one if it is hardly late; else -1."""
    stamps = np.array([stamp_ns_of(message.header.stamp) for message in messages], np.int64)
    found = (np.searchsorted(stamps, np.asarray(frames_ns, np.int64), side="right") - 1).tolist()
    if len(stamps):
        for row, frame_ns in enumerate(frames_ns):
            if found[row] < 0 and stamps[0] - frame_ns <= LATE_NS:
                found[row] = 0
    return [int(place) for place in found]

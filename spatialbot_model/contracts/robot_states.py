"""Which of the states that a robot publishes is the one of a frame.

Training (from a bag) and the robot (from what has arrived) ask the same question here. States come
faster than frames and between them; the newest one that is not younger than the frame is what
the robot could know when the frame was taken.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialbot_model.contracts.message_fields import pose_of
from spatialbot_model.contracts.types import RobotState

LATE_NS = 30_000_000
"""At a beginning the frame may come first; a state that follows it so soon is taken for it."""

STALE_NS = 1_000_000_000
"""A state so much older than a frame says nothing about it: the executor fell silent."""


def state_of_frame(stamps_ns: Sequence[int], frame_ns: int) -> int | None:
    """Number of the state that belongs to a frame.

    Args:
        stamps_ns: of the states, ascending.
        frame_ns: stamp of the frame.

    Returns:
        The newest at or before the frame; without one (or only a stale one), the first after it
        that is hardly late; None when there is neither.
    """
    after = bisect_right(stamps_ns, frame_ns)
    if after > 0 and frame_ns - stamps_ns[after - 1] <= STALE_NS:
        return after - 1
    if after < len(stamps_ns) and stamps_ns[after] - frame_ns <= LATE_NS:
        return after
    return None


def robot_state_of(executor: Any, gripper: Any) -> RobotState:
    """State from an ExecutorState and a GripperState.

    Raises:
        ConfigurationError: numbers that are not finite, or no rotation.
    """
    # a quaternion of zeros is refused as what it becomes
    with np.errstate(invalid="ignore"):
        measured, target = pose_of(executor.measured), pose_of(executor.target)
    return RobotState(measured, target, float(gripper.width), bool(gripper.closed_command))

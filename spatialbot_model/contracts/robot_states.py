"""Which of the states that a robot publishes is the one of a frame.

Training (from a bag) and the robot (from what has arrived) ask the same question here. States come
faster than frames and between them; the newest one that is not younger than the frame is what
the robot could know when the frame was taken.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialbot_model.contracts.message_fields import pose_of, stamp_ns_of
from spatialbot_model.contracts.types import RobotState

LATE_NS = 30_000_000
"""At a beginning the frame may come first; a state that follows it so soon is taken for it."""

SPEED_NS = 80_000_000
"""A speed is a difference over at least so long: a control step, with stamps that jitter."""

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


def state_before(stamps_ns: Sequence[int], number: int) -> int | None:
    """Number of the state that the one of `number` is compared with, to know how fast it changes.

    Returns:
        The newest that is older by `SPEED_NS`; None when there is none, or only a stale one.
    """
    before = bisect_right(stamps_ns, stamps_ns[number] - SPEED_NS) - 1
    if before < 0 or stamps_ns[number] - stamps_ns[before] > STALE_NS:
        return None
    return before


def robot_state_of(executor: Any, gripper: Any, gripper_before: Any = None) -> RobotState:
    """State from an ExecutorState and a GripperState.

    Args:
        gripper_before: the GripperState of `state_before`; None = the fingers are at rest.

    Raises:
        ConfigurationError: numbers that are not finite, or no rotation.
    """
    # a quaternion of zeros is refused as what it becomes
    with np.errstate(invalid="ignore"):
        measured, target = pose_of(executor.measured), pose_of(executor.target)
    speed_m_s = 0.0
    if gripper_before is not None:
        passed_ns = stamp_ns_of(gripper.header.stamp) - stamp_ns_of(gripper_before.header.stamp)
        speed_m_s = float(gripper.width - gripper_before.width) / (passed_ns * 1e-9)
    return RobotState(
        measured, target, float(gripper.width), bool(gripper.closed_command), speed_m_s
    )

"""How quickly the joints may change their speeds, so that the tool keeps its own accelerations.

Pure. The robot's side keeps a `Pace`, a share of the joints' accelerations and jerks, whatever is
commanded and however late. All joints of a change take the same time, that of the one with the
longest way; so the direction of the change tells what the tool makes of it.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.ports import ArmState, Pace
from spatialbot_ros.safety_limits import SafetyLimits

RADIANS_PER_METRE = 1.2
"""How much larger the bounds of the tool's rotation are than those of its translation."""

_STILL_RAD_S = 1e-4
_STOP_SHARE = 0.75
"""Of the tool's limits: joints that do not quite keep in step make it feel more."""
_STOP_RADIANS_PER_METRE = 0.8 * fr3.TOOL_ACCELERATION_RAD_S2 / fr3.TOOL_ACCELERATION_M_S2
"""Rotation is what a stop in the middle of another change of speed carries furthest."""
_MIN_SHARE = 0.01
_SAME = 0.999


def streaming_pace(
    limits: SafetyLimits,
    jacobian: NDArray[np.float64],
    dq_rad_s: NDArray[np.float64],
    measured: ArmState,
) -> Pace:
    """For the way to joint speeds (7,), and from there or from the present ones to rest."""
    present_rad_s = _commanded(measured)
    # the second is the way to rest that the arm takes by itself when its caller stalls, the
    # third what is left of a command of which nothing is allowed
    changes = (dq_rad_s - present_rad_s, dq_rad_s, -present_rad_s)
    return slowest(
        _pace(limits, jacobian, change, limits.max_acceleration_m_s2, limits.max_jerk_m_s3)
        for change in changes
    )


def stop_pace(limits: SafetyLimits, jacobian: NDArray[np.float64], measured: ArmState) -> Pace:
    """The quickest way to rest from the speeds that are commanded now."""
    return _pace(
        limits,
        jacobian,
        _commanded(measured),
        _STOP_SHARE * fr3.TOOL_ACCELERATION_M_S2,
        _STOP_SHARE * fr3.TOOL_JERK_M_S3,
        _STOP_RADIANS_PER_METRE,
    )


def slowest(paces: Iterable[Pace]) -> Pace:
    """What keeps the bounds of all."""
    found = tuple(paces)
    return Pace(min(p.acceleration for p in found), min(p.jerk for p in found))


def is_about_as_fast(pace: Pace, other: Pace) -> bool:
    """Whether a pace is no slower than another but for rounding."""
    return pace.acceleration > _SAME * other.acceleration and pace.jerk > _SAME * other.jerk


def _pace(
    limits: SafetyLimits,
    jacobian: NDArray[np.float64],
    change: NDArray[np.float64],
    acceleration_m_s2: float,
    jerk_m_s3: float,
    radians_per_metre: float = RADIANS_PER_METRE,
) -> Pace:
    """Bounds of the joints with which this change of their speeds also keeps the tool's."""
    if np.max(np.abs(change)) < _STILL_RAD_S:
        return Pace(limits.joint_acceleration_share, limits.joint_jerk_share)
    tool = jacobian @ change
    way_m_s = max(np.linalg.norm(tool[:3]), np.linalg.norm(tool[3:]) / radians_per_metre)
    # of the tool, if the joint with the longest way used all that may be commanded
    largest_m_s2 = way_m_s / np.max(np.abs(change) / fr3.COMMAND_ACCELERATION_RAD_S2)
    largest_m_s3 = way_m_s / np.max(np.abs(change) / fr3.COMMAND_JERK_RAD_S3)
    acceleration = acceleration_m_s2 / max(largest_m_s2, 1e-9)
    jerk = jerk_m_s3 / max(largest_m_s3, 1e-9)
    return Pace(
        float(np.clip(acceleration, _MIN_SHARE, limits.joint_acceleration_share)),
        float(np.clip(jerk, _MIN_SHARE, limits.joint_jerk_share)),
    )


def _commanded(measured: ArmState) -> NDArray[np.float64]:
    commanded = measured.dq_commanded_rad_s
    return measured.dq_rad_s if commanded is None else commanded

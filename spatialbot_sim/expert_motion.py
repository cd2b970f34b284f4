"""How the expert moves: steps that fit the action spec, and heights at which nothing is hit."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.transforms import (
    matrix_to_rpy,
    rotation_from_vector,
    rotation_vector,
)
from spatialbot_sim.privileged import Box, PrivilegedState

_SLOWDOWN = 0.5
"""Share of the remaining way per step: the steps shrink before a goal."""
_CRAWL_M = 0.002
_CRAWL_RAD = 0.01
_ACCELERATION_M = 0.012
"""A step is at most this much longer than the way that the hand goes in one period."""

_FINGERS_HALF_M = 0.06
"""Half of what fingers and a held thing sweep to either side."""
_HAND_HALF_M = 0.115
"""Half of what the hand above them sweeps."""
_HAND_ABOVE_TOOL_M = 0.040
CLEARANCE_M = 0.025


def step_towards(
    state: PrivilegedState,
    position_m: NDArray[np.float64],
    R: NDArray[np.float64],
    closed: bool,
    spec: ActionSpec,
) -> DeltaAction:
    """The action that brings the target pose nearer to a goal; the last one arrives exactly."""
    way_m = position_m - state.T_base_target[:3, 3]
    distance_m = float(np.linalg.norm(way_m))
    going_m = float(np.linalg.norm(state.ee_velocity_m_s)) / spec.rate_hz
    step_m = min(
        spec.translation_limit_m,
        going_m + _ACCELERATION_M,
        max(_SLOWDOWN * distance_m, _CRAWL_M),
        distance_m,
    )
    turn_rad = rotation_vector(R @ state.T_base_target[:3, :3].T)
    angle_rad = float(np.linalg.norm(turn_rad))
    step_rad = min(
        0.95 * spec.rotation_limit_rad, max(_SLOWDOWN * angle_rad, _CRAWL_RAD), angle_rad
    )
    return DeltaAction.from_values(
        way_m * (step_m / max(distance_m, 1e-9)),
        matrix_to_rpy(rotation_from_vector(turn_rad * (step_rad / max(angle_rad, 1e-9)))),
        closed,
        spec,
        clip=True,
    )


def free_height_m(
    from_m: NDArray[np.float64],
    to_m: NDArray[np.float64],
    boxes: Iterable[Box],
    hang_m: float,
    table_top_z_m: float,
) -> float:
    """Lowest height [m] of the tool centre point at which a straight way hits nothing.

    Args:
        from_m, to_m: ends of the way; only their horizontal part counts.
        boxes: what is in the way.
        hang_m: how far the lowest point of fingers or held thing lies below the tool centre.
    """
    free_m = table_top_z_m + hang_m
    for box in boxes:
        top_m = float(box.high_m[2])
        # under the hand and beside the fingers there is room for what is not so high
        for half_m, height_m in (
            (_FINGERS_HALF_M, top_m + hang_m),
            (_HAND_HALF_M, top_m - _HAND_ABOVE_TOOL_M),
        ):
            low_m, high_m = box.low_m[:2] - half_m, box.high_m[:2] + half_m
            if _crosses(from_m[:2], to_m[:2], low_m, high_m):
                free_m = max(free_m, height_m)
    return free_m + CLEARANCE_M


def _crosses(
    from_m: NDArray[np.float64],
    to_m: NDArray[np.float64],
    low_m: NDArray[np.float64],
    high_m: NDArray[np.float64],
) -> bool:
    """Whether a horizontal segment meets a rectangle."""
    enters, leaves = 0.0, 1.0
    for axis in (0, 1):
        way_m = to_m[axis] - from_m[axis]
        if abs(way_m) < 1e-9:
            if not low_m[axis] <= from_m[axis] <= high_m[axis]:
                return False
            continue
        a, b = sorted(((low_m[axis] - from_m[axis]) / way_m, (high_m[axis] - from_m[axis]) / way_m))
        enters, leaves = max(enters, float(a)), min(leaves, float(b))
    return enters <= leaves

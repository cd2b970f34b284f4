"""Whether a straight motion of the joints keeps the arm's body clear of what is around it.

Pure. Where the arm stands too close already, it may only move away.
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros.fr3_kinematics import frames
from spatialbot_ros.safety_bodies import ArmBodies

_STEP_RAD = 0.03
"""Of the joint with the longest way between two samples: 3 cm of a stretched arm at the most, whose
parts are thicker than that."""
_ASTRAY_M = 0.02
"""On top of the margin: the robot's joints set off and arrive together, but keep in step only to
within 0.015 rad."""
_NOTICEABLE_M = 0.001


def way_problem(
    bodies: ArmBodies,
    margin_m: float,
    q_from_rad: NDArray[np.float64],
    q_to_rad: NDArray[np.float64],
) -> str:
    """What comes too close on the way, and where; empty when the way is clear.

    Args:
        bodies: of the arm and around it.
        margin_m: distance that targets keep.
        q_from_rad, q_to_rad: (7,) joint positions.
    """
    way_rad = np.asarray(q_to_rad, dtype=np.float64) - q_from_rad
    number = max(1, int(np.ceil(np.max(np.abs(way_rad)) / _STEP_RAD)))
    wanted_m = margin_m + _ASTRAY_M
    kept_m = min(wanted_m, bodies.clearance(frames(q_from_rad)).distance_m)
    for k in range(1, number + 1):
        there = bodies.clearance(frames(q_from_rad + way_rad * (k / number)))
        if there.distance_m < kept_m - _NOTICEABLE_M:
            return (
                f"{there.first} would come within {there.distance_m * 1e3:.0f} mm of"
                f" {there.second} {k / number:.0%} of the way there; {kept_m * 1e3:.0f} mm are kept"
            )
        kept_m = max(kept_m, min(wanted_m, there.distance_m))
    return ""

"""Whether the arm can be where a target asks it to be: reach, joint ranges, singularity, bodies.

Pure. A target that the arm must not take is drawn back towards the one before, which it had
been allowed; an arm that already stands too close may always move away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.target_reference import pose_error
from spatialbot_model.contracts.transforms import compose, rotation_from_vector
from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.fr3_kinematics import ArmFrames, frames, solve
from spatialbot_ros.safety_bodies import ArmBodies, Clearance
from spatialbot_ros.safety_joints import singularity_of
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import SafetyRecord, Severity

_SHARES = (1.0, 0.5)
_REACHED = 0.01
"""What may be left of the way to a target that counts as reached, m and rad."""
_BETTER = 1e-6


@dataclass(frozen=True, slots=True)
class Posture:
    """What counts about one posture; `problem` of the worst that is wrong with it.

    Attributes:
        range_rad: distance of the nearest joint from the end of its range.
        singularity: smallest singular value of the Jacobian.
        clearance: nearest bodies.
    """

    range_rad: float
    joint: int
    singularity: float
    clearance: Clearance


class PostureGuard:
    """Draws targets back to where the arm may be.

    Args:
        limits: margins.
        bodies: the arm's body and what is around it.
    """

    def __init__(self, limits: SafetyLimits, bodies: ArmBodies) -> None:
        self._limits = limits
        self._bodies = bodies

    def limit(
        self,
        T_base_wanted: NDArray[np.float64],
        T_base_target: NDArray[np.float64],
        q_rad: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], tuple[SafetyRecord, ...]]:
        """The wanted pose, or as much of the way there from the old target as is allowed.

        Args:
            T_base_wanted: (4, 4) next target.
            T_base_target: (4, 4) target so far.
            q_rad: (7,) measured joint positions.
        """
        now: Posture | None = None
        reason: tuple[str, str] | None = None
        way_m, way_rad = pose_error(T_base_wanted, T_base_target)
        for share in _SHARES:
            T = T_base_wanted if share == 1.0 else _between(T_base_target, way_m, way_rad, share)
            q_there, found, left = solve(T, q_rad)
            there = self._posture(q_there, found)
            if left <= _REACHED and self._is_good(there):
                return T, self._records(reason, T_base_wanted, T)
            now = now or self._posture(q_rad, frames(q_rad))
            wrong = self._what_is_wrong(there, now, left)
            if wrong is None:
                return T, self._records(reason, T_base_wanted, T)
            reason = reason or wrong
        return T_base_target, self._records(reason, T_base_wanted, T_base_target)

    def _posture(self, q_rad: NDArray[np.float64], found: ArmFrames) -> Posture:
        room_rad = np.minimum(fr3.JOINT_UPPER_RAD - q_rad, q_rad - fr3.JOINT_LOWER_RAD)
        joint = int(np.argmin(room_rad))
        return Posture(
            float(room_rad[joint]),
            joint + 1,
            singularity_of(found.jacobian),
            self._bodies.clearance(found),
        )

    def _is_good(self, posture: Posture) -> bool:
        limits = self._limits
        return (
            posture.range_rad >= limits.joint_margin_rad
            and posture.singularity >= limits.singularity_stop
            and posture.clearance.distance_m >= limits.collision_margin_m
        )

    def _what_is_wrong(self, there: Posture, now: Posture, left: float) -> tuple[str, str] | None:
        """Name and words of what forbids a posture; None when it only gets better."""
        limits = self._limits
        if left > _REACHED:
            return "reach", f"the arm does not reach it by {left:.3f} (m or rad)"
        worse_than = now.range_rad - _BETTER
        if there.range_rad < min(limits.joint_margin_rad, worse_than):
            return (
                "joint_range",
                f"joint {there.joint} would be {there.range_rad:.3f} rad from the end of its range,"
                f" less than {limits.joint_margin_rad} rad",
            )
        if there.singularity < min(limits.singularity_stop, now.singularity - _BETTER):
            return (
                "singularity",
                f"the posture there is almost singular ({there.singularity:.3f}, at least"
                f" {limits.singularity_stop} is kept)",
            )
        nearest, margin_m = there.clearance, limits.collision_margin_m
        if nearest.distance_m < min(margin_m, now.clearance.distance_m - _BETTER):
            return (
                "collision",
                f"{nearest.first} would come within {nearest.distance_m * 1e3:.0f} mm of"
                f" {nearest.second}, at least {margin_m * 1e3:.0f} mm are kept",
            )
        return None

    @staticmethod
    def _records(
        reason: tuple[str, str] | None,
        T_base_wanted: NDArray[np.float64],
        T_base_given: NDArray[np.float64],
    ) -> tuple[SafetyRecord, ...]:
        if reason is None:
            return ()
        name, detail = reason
        return (
            SafetyRecord(
                name,
                Severity.CLAMPED,
                detail,
                asked=tuple(map(float, T_base_wanted[:3, 3])),
                given=tuple(map(float, T_base_given[:3, 3])),
            ),
        )


def _between(
    T: NDArray[np.float64],
    way_m: NDArray[np.float64],
    way_rad: NDArray[np.float64],
    share: float,
) -> NDArray[np.float64]:
    return compose(rotation_from_vector(share * way_rad) @ T[:3, :3], T[:3, 3] + share * way_m)

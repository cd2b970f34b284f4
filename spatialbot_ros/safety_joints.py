"""The joints' side of the safety filter: what a twist of the tool asks of the seven joints.

Pure. A twist that the joints cannot follow is slowed along its direction, near a singular
posture down to rest; and each twist gets a `Pace`, so that neither the change towards it nor a
stop from it breaks the FR3's acceleration and jerk limits. All of it is computed for the least
motion of the joints, as the robot's own Cartesian control does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.fr3_kinematics import damped_inverse, frames
from spatialbot_ros.ports import RADIANS_PER_METRE, ArmState, Pace
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import SafetyRecord, Severity

_AXES = np.array([1.0, 1.0, 1.0, *(RADIANS_PER_METRE,) * 3])
_LOOK_AHEAD_S, _LOOK_AHEAD_RAD = 0.12, 0.08
_ANSWER_S = 0.06
_WALL_ANSWER_S, _WALL_DECELERATION_M_S2 = 0.06, 0.8
_WALL_NOTICEABLE_M_S, _WALL_BRAKE_M_S = 0.005, 0.02
_STOP_SETS_OFF_S = 0.018
"""One state, one command, the ramps of the jerk, the low-pass filter of the commands."""
_STILL = 1e-4
_MIN_ACCELERATION_M_S2, _MIN_JERK_M_S3 = 0.03, 5.0
_STOP_ACCELERATION_M_S2, _STOP_JERK_M_S3 = 13.0, 3000.0
_APART_STREAMING, _APART_STOPPING = 1.0, 0.5
_DRIFT_SHARE = 0.85
"""What the changing posture leaves of the joints' acceleration limit while the arm streams."""


@dataclass(frozen=True, slots=True)
class ShapedTwist:
    """A twist that the joints can follow.

    Attributes:
        twist_base: (6,) along the direction that was asked for.
        pace: for the way there.
        records: what was slowed and why; at most one each time it begins.
    """

    twist_base: NDArray[np.float64]
    pace: Pace
    records: tuple[SafetyRecord, ...]


class JointGuard:
    """Shapes twists one after the other; tells once when it begins to slow them.

    Args:
        limits: margins and bounds.
        workspace_min_m, workspace_max_m: (3,) box that the tool does not leave.
    """

    def __init__(
        self,
        limits: SafetyLimits,
        workspace_min_m: NDArray[np.float64],
        workspace_max_m: NDArray[np.float64],
    ) -> None:
        self._limits = limits
        self._box_m = (workspace_min_m, workspace_max_m)
        self._slowed: set[str] = set()

    def reset(self) -> None:
        """The arm was told to rest: what slows the next twist is told again."""
        self._slowed.clear()

    def shape(self, twist_base: NDArray[np.float64], measured: ArmState) -> ShapedTwist:
        """Slow a finite twist (6,) to what the joints can follow at the measured posture."""
        limits = self._limits
        asked = twist_base
        jacobian = frames(measured.q_rad).jacobian
        twist_base = self._before_walls(twist_base, jacobian, measured)
        inverse = damped_inverse(jacobian)
        dq_rad_s = inverse @ twist_base
        clipped = 0.0 if twist_base is not asked else 1.0
        factors: dict[str, float] = {"singularity": self._near_singular(measured.q_rad, dq_rad_s)}
        # where the joints will be once the arm has answered
        lowest, highest = fr3.joint_speed_bounds(measured.q_rad + _ANSWER_S * dq_rad_s)
        bound = np.where(dq_rad_s > 0.0, highest, -lowest) * limits.joint_speed_share
        factors["joint_speed"] = _share(bound, np.abs(dq_rad_s))
        stoppable = limits.joint_acceleration_share * fr3.JOINT_ACCELERATION_RAD_S2
        stoppable *= limits.max_stop_s - _STOP_SETS_OFF_S
        factors["stop_time"] = _share(np.full(7, stoppable), np.abs(dq_rad_s))
        shaped = twist_base * min(factors.values())
        now = self._commanded(jacobian, measured)
        # the second is the way to rest that the arm takes by itself when its caller stalls
        changes = (shaped - now, shaped)
        pace = _slowest(
            self._pace(
                inverse,
                change,
                _DRIFT_SHARE,
                _APART_STREAMING,
                limits.max_acceleration_m_s2,
                limits.max_jerk_m_s3,
            )
            for change in changes
        )
        records = self._report(factors | {"workspace_speed": clipped}, asked, shaped)
        return ShapedTwist(shaped, pace, records)

    def stop_pace(self, measured: ArmState) -> Pace:
        """The quickest way to rest from the twist that is commanded now."""
        jacobian = frames(measured.q_rad).jacobian
        return self._stop_pace(damped_inverse(jacobian), self._commanded(jacobian, measured))

    def _before_walls(
        self,
        twist_base: NDArray[np.float64],
        jacobian: NDArray[np.float64],
        measured: ArmState,
    ) -> NDArray[np.float64]:
        """The same object, or one that is slower towards a wall of the box that is near."""
        low_m, high_m = self._box_m
        now_m_s = self._commanded(jacobian, measured)[:3]
        ahead_m = measured.T_base_ee[:3, 3] + _WALL_ANSWER_S * now_m_s
        fastest = np.sqrt(2.0 * _WALL_DECELERATION_M_S2 * np.maximum(high_m - ahead_m, 0.0))
        slowest = -np.sqrt(2.0 * _WALL_DECELERATION_M_S2 * np.maximum(ahead_m - low_m, 0.0))
        excess = np.maximum(now_m_s - fastest, slowest - now_m_s)
        if np.max(excess) > _WALL_BRAKE_M_S:
            # all axes change in the same time: turning elsewhere as well would take longer
            k = int(np.argmax(excess))
            allowed = fastest[k] if now_m_s[k] > 0.0 else slowest[k]
            return self._commanded(jacobian, measured) * float(allowed / now_m_s[k])
        bounded = np.clip(twist_base[:3], slowest, fastest)
        if np.all(np.abs(bounded - twist_base[:3]) < _WALL_NOTICEABLE_M_S):
            return twist_base
        return np.concatenate([bounded, twist_base[3:]])

    def _commanded(self, jacobian: NDArray[np.float64], measured: ArmState) -> NDArray[np.float64]:
        if measured.twist_commanded is not None:
            return measured.twist_commanded
        return jacobian @ measured.dq_rad_s

    def _stop_pace(self, inverse: NDArray[np.float64], twist: NDArray[np.float64]) -> Pace:
        return self._pace(
            inverse, twist, 1.0, _APART_STOPPING, _STOP_ACCELERATION_M_S2, _STOP_JERK_M_S3
        )

    def _pace(
        self,
        inverse: NDArray[np.float64],
        change: NDArray[np.float64],
        share: float,
        apart_share: float,
        acceleration_m_s2: float,
        jerk_m_s3: float,
    ) -> Pace:
        """Bounds with which this change of the twist keeps all limits.

        All axes of a change take the same time, that of the axis with the longest way.
        """
        limits = self._limits
        longest = float(np.max(np.abs(change) / _AXES))
        if longest < _STILL:
            return Pace(acceleration_m_s2, jerk_m_s3)
        # axes that are bounded by their jerk do not quite keep in step with the others, so that
        # joints feel more than the change as a whole
        together = np.abs(inverse @ change)
        apart = np.abs(inverse) @ np.abs(change)
        joints = float(np.max(together + apart_share * (apart - together))) / longest
        linear = float(np.linalg.norm(change[:3])) / longest
        angular = float(np.linalg.norm(change[3:])) / longest
        of_acceleration = share * limits.joint_acceleration_share
        of_jerk = limits.joint_jerk_share
        acceleration_m_s2 = min(
            acceleration_m_s2,
            of_acceleration * fr3.JOINT_ACCELERATION_RAD_S2 / max(joints, 1e-9),
            of_acceleration * fr3.TOOL_ACCELERATION_M_S2 / max(linear, 1e-9),
            of_acceleration * fr3.TOOL_ACCELERATION_RAD_S2 / max(angular, 1e-9),
        )
        jerk_m_s3 = min(
            jerk_m_s3,
            of_jerk * fr3.JOINT_JERK_RAD_S3 / max(joints, 1e-9),
            of_jerk * fr3.TOOL_JERK_M_S3 / max(linear, 1e-9),
            of_jerk * fr3.TOOL_JERK_RAD_S3 / max(angular, 1e-9),
        )
        return Pace(max(acceleration_m_s2, _MIN_ACCELERATION_M_S2), max(jerk_m_s3, _MIN_JERK_M_S3))

    def _near_singular(self, q_rad: NDArray[np.float64], dq_rad_s: NDArray[np.float64]) -> float:
        """1 far from singular postures or on the way out of one, 0 at the last that is allowed."""
        limits = self._limits
        ahead_rad = _LOOK_AHEAD_S * dq_rad_s
        # further, the motion could lead across the singular posture to its other side
        ahead_rad *= min(1.0, _LOOK_AHEAD_RAD / max(float(np.linalg.norm(ahead_rad)), 1e-9))
        soon = singularity_measure(q_rad + ahead_rad)
        if soon >= limits.singularity_slow:
            return 1.0
        if soon >= singularity_measure(q_rad):
            return 1.0
        width = limits.singularity_slow - limits.singularity_stop
        return float(np.clip((soon - limits.singularity_stop) / width, 0.0, 1.0))

    def _report(
        self,
        factors: dict[str, float],
        asked: NDArray[np.float64],
        given: NDArray[np.float64],
    ) -> tuple[SafetyRecord, ...]:
        slowed = {name for name, factor in factors.items() if factor < 0.999}
        new = slowed - self._slowed
        self._slowed = slowed
        return tuple(
            SafetyRecord(
                name,
                Severity.CLAMPED,
                _WHY[name],
                tuple(map(float, asked)),
                tuple(map(float, given)),
            )
            for name in sorted(new)
        )


_WHY = {
    "singularity": "the arm comes near a posture in which it cannot move in all directions",
    "joint_speed": "a joint would be faster than it may be where it is",
    "workspace_speed": "a wall of the workspace is too near for this speed",
    "stop_time": "a joint would be too fast to be stopped in time (max_stop_s)",
}


def singularity_measure(q_rad: NDArray[np.float64]) -> float:
    """Smallest singular value of the Jacobian (metres and radians): 0 in a singular posture."""
    return singularity_of(frames(q_rad).jacobian)


def singularity_of(jacobian: NDArray[np.float64]) -> float:
    """Smallest singular value of a Jacobian (6, 7)."""
    smallest = float(np.linalg.eigvalsh(jacobian @ jacobian.T)[0])
    return float(np.sqrt(max(smallest, 0.0)))


def _share(bound: NDArray[np.float64], asked: NDArray[np.float64]) -> float:
    """Factor of at most 1 that brings all of `asked` within `bound`."""
    return float(min(1.0, np.min(bound / np.maximum(asked, 1e-9))))


def _slowest(paces: Iterable[Pace]) -> Pace:
    found = tuple(paces)
    return Pace(min(p.acceleration_m_s2 for p in found), min(p.jerk_m_s3 for p in found))

"""The joints' side of the safety filter: a twist of the tool becomes speeds of the seven joints.

Pure. The twist is solved for the least motion of the joints. Speeds that the joints cannot make,
or from which the arm could not come to rest within the workspace box and its joints' speed
limits, are slowed along their direction, near a singular posture down to rest. What is commanded
are joint speeds, with a `Pace` that the robot's side keeps: joint accelerations and jerks are
then bounded whatever the posture, which commands of the tool's speed cannot be.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.fr3_kinematics import damped_inverse, frames
from spatialbot_ros.ports import ArmState, Pace
from spatialbot_ros.safety_bodies import ArmBodies
from spatialbot_ros.safety_braking import Braking
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_pace import is_about_as_fast, slowest, stop_pace, streaming_pace
from spatialbot_ros.safety_records import SafetyRecord, Severity

_LOOK_AHEAD_S, _LOOK_AHEAD_RAD = 0.12, 0.08
_STOP_SETS_OFF_S = 0.014
"""One state, one command, the ramps of the jerk, the low-pass filter of the commands."""
_WALL_NOTICEABLE_M_S = 0.005
_WALL_M, _AT_WALL_SHARE = 0.006, 0.5
_PACE_PASSES = 3


@dataclass(frozen=True, slots=True)
class ShapedTwist:
    """A twist that the joints can follow.

    Attributes:
        twist_base: (6,) of the tool that the joints make.
        dq_rad_s: (7,) their speeds.
        pace: for the way there, and from there to rest.
        records: what was slowed and why; at most one each time it begins.
    """

    twist_base: NDArray[np.float64]
    dq_rad_s: NDArray[np.float64]
    pace: Pace
    records: tuple[SafetyRecord, ...]


class JointGuard:
    """Shapes twists one after the other; tells once when it begins to slow them.

    Args:
        limits: margins and bounds.
        workspace_min_m, workspace_max_m: (3,) box that the tool does not leave.
        bodies: of the arm and around it; None = they are not looked at.
    """

    def __init__(
        self,
        limits: SafetyLimits,
        workspace_min_m: NDArray[np.float64],
        workspace_max_m: NDArray[np.float64],
        bodies: ArmBodies | None = None,
    ) -> None:
        self._limits = limits
        # less than targets keep: they are reached to within a millimetre or two
        self._bodies = (bodies, 0.5 * limits.collision_margin_m)
        self._box_m = (workspace_min_m, workspace_max_m)
        acceleration_rad_s2 = limits.joint_acceleration_share * fr3.COMMAND_ACCELERATION_RAD_S2
        self._stoppable_rad_s = acceleration_rad_s2 * (limits.max_stop_s - _STOP_SETS_OFF_S)
        self._slowed: set[str] = set()

    def reset(self) -> None:
        """The arm was told to rest: what slows the next twist is told again."""
        self._slowed.clear()

    def shape(
        self, twist_base: NDArray[np.float64], measured: ArmState, hold_s: float
    ) -> ShapedTwist:
        """Speeds of the joints for a finite twist (6,) at the measured posture.

        Args:
            hold_s: how long they will be commanded before the arm comes to rest by itself.
        """
        jacobian = frames(measured.q_rad).jacobian
        inverse = damped_inverse(jacobian)
        asked_rad_s, factors = self._slowed_down(inverse @ twist_base, measured)
        pace = streaming_pace(self._limits, jacobian, asked_rad_s, measured)
        for _ in range(_PACE_PASSES):
            dq_rad_s, why = self._at_rest_in_time(
                asked_rad_s, jacobian, inverse, measured, hold_s, pace
            )
            # what is left of the command is another change of speed, which may need a slower pace;
            # with that, the arm takes longer to come to rest
            before, left = pace, streaming_pace(self._limits, jacobian, dq_rad_s, measured)
            pace = slowest((before, left))
            if is_about_as_fast(pace, before):
                break
        shaped = jacobian @ dq_rad_s
        records = self._report(factors | why, twist_base, shaped)
        return ShapedTwist(shaped, dq_rad_s, pace, records)

    def _at_rest_in_time(
        self,
        dq_rad_s: NDArray[np.float64],
        jacobian: NDArray[np.float64],
        inverse: NDArray[np.float64],
        measured: ArmState,
        hold_s: float,
        pace: Pace,
    ) -> tuple[NDArray[np.float64], dict[str, float]]:
        """What of these speeds has an allowed way to rest at this pace, and what took the rest."""
        factors: dict[str, float] = {}
        braking = Braking(
            measured, hold_s, self._limits.joint_speed_share, *self._box_m, pace, *self._bodies
        )
        way = braking.way(dq_rad_s)
        if braking.is_outside or not braking.in_box(way):
            velocity_m_s = jacobian[:3] @ dq_rad_s
            bounded_m_s = braking.bounded_at_walls(velocity_m_s, way)
            lost_m_s = bounded_m_s - velocity_m_s
            if np.max(np.abs(lost_m_s)) >= _WALL_NOTICEABLE_M_S:
                factors["workspace_speed"] = 0.0
            dq_rad_s = dq_rad_s + inverse[:, :3] @ lost_m_s
            # the way along a wall may ask more of the joints
            dq_rad_s = dq_rad_s * _share(self._stoppable_rad_s, np.abs(dq_rad_s))
        elif not braking.in_speed(way):
            factors["joint_speed"] = 0.0
        elif not braking.is_clear(way):
            factors["collision_speed"] = 0.0
        return dq_rad_s * braking.largest_share(dq_rad_s), factors

    def stop_pace(self, measured: ArmState) -> Pace:
        """The quickest way to rest from the speeds that are commanded now."""
        return stop_pace(self._limits, frames(measured.q_rad).jacobian, measured)

    def _slowed_down(
        self, dq_rad_s: NDArray[np.float64], measured: ArmState
    ) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Within the speeds that are possible where the joints are, and what slowed them."""
        limits = self._limits
        speeds = np.abs(dq_rad_s)
        lowest, highest = fr3.joint_speed_bounds(measured.q_rad)
        bound = np.where(dq_rad_s > 0.0, highest, -lowest) * limits.joint_speed_share
        factors = {
            "singularity": self._near_singular(measured.q_rad, dq_rad_s),
            "joint_speed": _share(bound, speeds),
            "stop_time": _share(self._stoppable_rad_s, speeds),
        }
        near_wall = self._near_wall(measured)
        if near_wall < 1.0:
            factors["workspace_speed"] = _share(near_wall * self._stoppable_rad_s, speeds)
        return dq_rad_s * min(factors.values()), factors

    def _near_wall(self, measured: ArmState) -> float:
        """Part of their speeds that joints may have where the tool is.

        Joints that turn round are late by different times, which carries the tool off its way,
        and the further the longer they take. At a wall there is no room for that.
        """
        low_m, high_m = self._box_m
        tool_m = measured.T_base_ee[:3, 3]
        room_m = float(np.min(np.minimum(tool_m - low_m, high_m - tool_m)))
        return _AT_WALL_SHARE + (1.0 - _AT_WALL_SHARE) * float(np.clip(room_m / _WALL_M, 0.0, 1.0))

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
    "joint_speed": "a joint would be faster than it may be where it is or comes to",
    "workspace_speed": "a wall of the workspace is too near for this speed",
    "collision_speed": "the arm would come to rest too close to itself, the table or a box",
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

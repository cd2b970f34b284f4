"""Where a command leads until the arm is at rest again, judged before it is given.

Pure. Joint speeds are streamed for a while, and then the arm comes to rest by itself. If speeds are
only commanded when this whole way is allowed, the arm can always be stopped in time: the way of the
command before goes on being allowed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.fr3_kinematics import frames, tool_points
from spatialbot_ros.ports import ArmState, Pace
from spatialbot_ros.safety_bodies import ArmBodies

_DELAY_S = 0.01
"""A state that is a few milliseconds old, the command's way, the filter of the commands."""
_ARM_LAG_S = 0.03
"""How late joints follow their command; they run on as much."""
_AT_WALL_M = 0.0005
"""How far outside of the box still counts as its wall."""
_SLACK = 1e-6
_BACK_1_S, _BACK_M_S = 15.0, 0.1
"""How fast a tool that was carried through a wall has to come back: joints lag behind commands
differently, and what they make of a command on the way to the next is another direction."""

# shares of the present and of the next joint speeds at the moments of the way: now, after the
# delay, half-way and at the end of the change, after the hold, half-way to rest, at rest
_OF_PRESENT = np.array([1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0])
_OF_NEXT = np.array([0.0, 0.0, 0.5, 1.0, 1.0, 0.5, 0.0])
_BISECTIONS = 6


@dataclass(frozen=True, slots=True)
class Way:
    """The way to rest through one command.

    Attributes:
        q_rad, dq_rad_s: (7, 7) joint positions and speeds at the moments of the way.
        reach_s: how far one metre a second of the command leads.
    """

    q_rad: NDArray[np.float64]
    dq_rad_s: NDArray[np.float64]
    reach_s: float


class Braking:
    """Judges commands at one measured state.

    Args:
        measured: the state; without a commanded speed the measured one counts.
        hold_s: how long a command is held before its zero tail.
        speed_share: part of the joints' position-dependent speeds that is used.
        workspace_min_m, workspace_max_m: (3,) box that the tool does not leave.
        pace: of the commands.
        bodies: of the arm and around it; None = they are not looked at.
        clearance_m: distance that they keep at rest.
    """

    def __init__(
        self,
        measured: ArmState,
        hold_s: float,
        speed_share: float,
        workspace_min_m: NDArray[np.float64],
        workspace_max_m: NDArray[np.float64],
        pace: Pace,
        bodies: ArmBodies | None = None,
        clearance_m: float = 0.0,
    ) -> None:
        self._q_rad = measured.q_rad
        self._dq_rad_s = measured.dq_rad_s
        commanded = measured.dq_commanded_rad_s
        self._present = measured.dq_rad_s if commanded is None else commanded
        self._hold_s, self._share, self._pace = hold_s, speed_share, pace
        self._low_m, self._high_m = workspace_min_m, workspace_max_m
        self._tool_m = measured.T_base_ee[:3, 3]
        self._bodies = bodies
        # the robot knows its tool better than the kinematics of the bare hand
        self._offset_m = self._tool_m - tool_points(measured.q_rad[None])[0]
        at_rest = self.way(np.zeros(7))
        # more than the slack would let it creep out
        self._allowed_m = max(self.outside_m(at_rest) + _SLACK, _AT_WALL_M)
        self._allowed_share = max(self.speed_share(at_rest) + _SLACK, 1.0)
        self._clearance_m = min(self._clearance(at_rest) - _SLACK, clearance_m)

    def way(self, dq_next: NDArray[np.float64]) -> Way:
        """The way through joint speeds (7,)."""
        change_s = change_time_s(dq_next - self._present, self._pace)
        stop_s = change_time_s(dq_next, self._pace)
        durations_s = np.array(
            [_DELAY_S, 0.5 * change_s, 0.5 * change_s, self._hold_s, 0.5 * stop_s, 0.5 * stop_s]
        )
        present_s = _integral(_OF_PRESENT, durations_s)
        next_s = _integral(_OF_NEXT, durations_s)
        q_rad = self._q_rad + np.outer(present_s, self._present) + np.outer(next_s, dq_next)
        q_rad[1:] += _ARM_LAG_S * self._dq_rad_s
        dq_rad_s = np.outer(_OF_PRESENT, self._present) + np.outer(_OF_NEXT, dq_next)
        return Way(q_rad, dq_rad_s, float(next_s[-1]))

    def tool_m(self, way: Way) -> NDArray[np.float64]:
        """(7, 3) tool centre points on a way."""
        points_m: NDArray[np.float64] = tool_points(way.q_rad) + self._offset_m
        return points_m

    def outside_m(self, way: Way) -> float:
        """How far a way leads out of the box at the most; negative inside."""
        tool_m = self.tool_m(way)[1:]
        return float(np.max(np.maximum(self._low_m - tool_m, tool_m - self._high_m)))

    def speed_share(self, way: Way) -> float:
        """Largest joint speed on a way as a share of what may be used where the joint is."""
        lowest, highest = fr3.joint_speed_bounds(way.q_rad[1:])
        bound = np.where(way.dq_rad_s[1:] > 0.0, highest, -lowest) * self._share
        return float(np.max(np.abs(way.dq_rad_s[1:]) / np.maximum(bound, 5e-4)))

    def in_box(self, way: Way) -> bool:
        """Whether a way stays in the box, or leads no further out than braking at once."""
        return self.outside_m(way) <= self._allowed_m

    def in_speed(self, way: Way) -> bool:
        """Whether the joints stay within their speeds, or break them no more than braking does."""
        return self.speed_share(way) <= self._allowed_share

    def is_clear(self, way: Way) -> bool:
        """Whether the arm comes to rest clear of everything, or no closer than by braking."""
        return self._clearance(way) >= self._clearance_m

    @property
    def is_outside(self) -> bool:
        """Whether the tool is beyond a wall now."""
        return bool(np.any(self._beyond_m() > _AT_WALL_M))

    def bounded_at_walls(self, velocity_m_s: NDArray[np.float64], way: Way) -> NDArray[np.float64]:
        """A tool velocity (3,) that is slowed towards the walls that this way would meet."""
        without_m = self.tool_m(way)[-1] - way.reach_s * velocity_m_s
        back_m_s = np.clip(_BACK_1_S * self._beyond_m(), 0.0, _BACK_M_S)
        is_low = self._tool_m < self._low_m
        fastest = np.maximum((self._high_m - without_m) / way.reach_s, 0.0)
        slowest = np.minimum((self._low_m - without_m) / way.reach_s, 0.0)
        fastest = np.where((back_m_s > 0.0) & ~is_low, -back_m_s, fastest)
        slowest = np.where((back_m_s > 0.0) & is_low, back_m_s, slowest)
        return np.clip(velocity_m_s, slowest, np.maximum(fastest, slowest))

    def largest_share(self, dq_next: NDArray[np.float64]) -> float:
        """The largest part, in [0, 1], of joint speeds (7,) whose way is allowed."""
        low, high = 0.0, 1.0
        if self._is_allowed(dq_next):
            return 1.0
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if self._is_allowed(middle * dq_next):
                low = middle
            else:
                high = middle
        return low

    def _is_allowed(self, dq_next: NDArray[np.float64]) -> bool:
        way = self.way(dq_next)
        return self.in_box(way) and self.in_speed(way) and self.is_clear(way)

    def _beyond_m(self) -> NDArray[np.float64]:
        """(3,) how far the tool is beyond a wall on each axis; negative inside."""
        return np.maximum(self._low_m - self._tool_m, self._tool_m - self._high_m)

    def _clearance(self, way: Way) -> float:
        if self._bodies is None:
            return np.inf
        return self._bodies.clearance(frames(way.q_rad[-1])).distance_m


def change_time_s(change_rad_s: NDArray[np.float64], pace: Pace) -> float:
    """How long a change of joint speeds (7,) takes: all joints take as long as the slowest."""
    acceleration = pace.acceleration * fr3.COMMAND_ACCELERATION_RAD_S2
    ramps_s = acceleration / (pace.jerk * fr3.COMMAND_JERK_RAD_S3)
    return float(np.max(np.abs(change_rad_s) / acceleration + ramps_s))


def _integral(shares: NDArray[np.float64], durations_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of shares that change evenly between the moments."""
    parts = 0.5 * (shares[1:] + shares[:-1]) * durations_s
    return np.concatenate([[0.0], np.cumsum(parts)])

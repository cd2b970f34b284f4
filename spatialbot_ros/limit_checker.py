"""Did the arm stay within the FR3's limits? Judges a log of every millisecond.

Pure. Positions and speeds are judged as measured; speeds, accelerations and jerks as commanded,
because that is what libfranka judges on the robot. Commands count while a motion generator of
velocities or of joint positions runs. The tool's limits, which the robot judges in commands of the
tool only, count for what commands of the joints make of it as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros import fr3_limits as fr3

_TICK_S = 0.001
_JOINT_POSITION, _JOINT_VELOCITY, _TOOL_VELOCITY = 1, 2, 4
_ROUNDING = 1e-6


class MotionLog(Protocol):
    """One row a millisecond; see `spatialbot_sim.tick_log.TickLog`."""

    @property
    def motion(self) -> NDArray[np.float64]: ...
    @property
    def q_rad(self) -> NDArray[np.float64]: ...
    @property
    def dq_rad_s(self) -> NDArray[np.float64]: ...
    @property
    def q_commanded_rad(self) -> NDArray[np.float64]: ...
    @property
    def dq_commanded_rad_s(self) -> NDArray[np.float64]: ...
    @property
    def twist_commanded(self) -> NDArray[np.float64]: ...
    @property
    def tool_m(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True)
class LimitReport:
    """What was found.

    Attributes:
        num_ticks: rows judged.
        num_missed: rows in which the robot had got no new command in time.
        violations: number of rows beyond each limit.
        peaks: largest value of each quantity as a share of its limit; of the workspace, how far
            the tool was outside [m].
    """

    num_ticks: int
    num_missed: int
    violations: Mapping[str, int]
    peaks: Mapping[str, float]

    @property
    def num_violations(self) -> int:
        """Of all limits together."""
        return sum(self.violations.values())

    def merged(self, other: "LimitReport") -> "LimitReport":
        """Both stretches as one."""
        return LimitReport(
            self.num_ticks + other.num_ticks,
            self.num_missed + other.num_missed,
            {key: count + other.violations[key] for key, count in self.violations.items()},
            {key: max(peak, other.peaks[key]) for key, peak in self.peaks.items()},
        )


def check_limits(
    log: MotionLog,
    workspace_min_m: NDArray[np.float64],
    workspace_max_m: NDArray[np.float64],
    tolerance_m: float = 0.005,
) -> LimitReport:
    """Judge a log.

    Args:
        workspace_min_m, workspace_max_m: (3,) box of the tool centre point, for motions that
            follow actions.
        tolerance_m: how far control may miss a target on the border of the box.
    """
    following = np.isin(log.motion, (_JOINT_VELOCITY, _TOOL_VELOCITY))
    shares: dict[str, NDArray[np.float64]] = {}
    half_rad = 0.5 * (fr3.JOINT_UPPER_RAD - fr3.JOINT_LOWER_RAD)
    middle_rad = 0.5 * (fr3.JOINT_UPPER_RAD + fr3.JOINT_LOWER_RAD)
    shares["joint_position"] = _worst(np.abs(log.q_rad - middle_rad) / half_rad)
    shares["joint_speed_measured"] = _worst(np.abs(log.dq_rad_s) / fr3.JOINT_SPEED_RAD_S)
    lowest, highest = fr3.joint_speed_bounds(log.q_rad)
    dq = log.dq_commanded_rad_s
    bound = np.maximum(np.where(dq > 0.0, highest, -lowest), 1e-3)
    shares["joint_speed"] = np.where(following, _worst(np.abs(dq) / bound), 0.0)

    missed = _missed(dq, following)
    steps = np.concatenate([[False], following[1:] & following[:-1]])
    steps &= ~(missed | np.roll(missed, 1))
    ddq, twist = _rate(dq), log.twist_commanded
    acceleration = _rate(twist)
    shares["joint_acceleration"] = steps * _worst(np.abs(ddq)) / fr3.JOINT_ACCELERATION_RAD_S2
    tool_speed = np.maximum(
        _length(twist[:, :3]) / fr3.TOOL_SPEED_M_S, _length(twist[:, 3:]) / fr3.TOOL_SPEED_RAD_S
    )
    shares["tool_speed"] = np.where(following, tool_speed, 0.0)
    shares["tool_acceleration"] = steps * np.maximum(
        _length(acceleration[:, :3]) / fr3.TOOL_ACCELERATION_M_S2,
        _length(acceleration[:, 3:]) / fr3.TOOL_ACCELERATION_RAD_S2,
    )
    jerks = steps & np.concatenate([[False], steps[:-1]])
    jerk = _rate(acceleration)
    shares["joint_jerk"] = jerks * _worst(np.abs(_rate(ddq))) / fr3.JOINT_JERK_RAD_S3
    shares["tool_jerk"] = jerks * np.maximum(
        _length(jerk[:, :3]) / fr3.TOOL_JERK_M_S3, _length(jerk[:, 3:]) / fr3.TOOL_JERK_RAD_S3
    )
    _judge_joint_motions(log, shares)
    outside_m = np.maximum(workspace_min_m - log.tool_m, log.tool_m - workspace_max_m).max(axis=1)
    violations = {name: int(np.sum(share > 1.0 + _ROUNDING)) for name, share in shares.items()}
    peaks = {name: float(np.max(share, initial=0.0)) for name, share in shares.items()}
    violations["workspace"] = int(np.sum(following & (outside_m > tolerance_m)))
    peaks["workspace"] = float(np.max(np.where(following, outside_m, 0.0), initial=0.0))
    return LimitReport(len(following), int(missed.sum()), violations, peaks)


def _judge_joint_motions(log: MotionLog, shares: dict[str, NDArray[np.float64]]) -> None:
    """Accelerations of motions that are commanded as joint positions, e.g. the way home."""
    joint = log.motion == _JOINT_POSITION
    together = joint.copy()
    for _ in range(2):
        together = together & np.concatenate([[False], together[:-1]])
    ddq = _rate(_rate(log.q_commanded_rad))
    share = together * _worst(np.abs(ddq)) / fr3.JOINT_ACCELERATION_RAD_S2
    shares["joint_acceleration"] = np.maximum(shares["joint_acceleration"], share)


def _missed(dq_rad_s: NDArray[np.float64], following: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows that repeat the command before them, between rows that change."""
    same = np.concatenate([[False], np.all(dq_rad_s[1:] == dq_rad_s[:-1], axis=1)])
    before, after = np.roll(same, 1), np.roll(same, -1)
    return np.asarray(same & ~before & ~after & following)


def _rate(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Change a second, zero in the first row."""
    return np.concatenate([np.zeros((1, values.shape[1])), np.diff(values, axis=0) / _TICK_S])


def _worst(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(values.max(axis=1))


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(vectors, axis=1))

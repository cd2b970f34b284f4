"""The limit checker finds each limit that is broken, and only that."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from spatialbot_ros.configuration import load_cell
from spatialbot_ros.limit_checker import check_limits

CELL = load_cell()
NUM = 400


@dataclass(frozen=True)
class Log:
    """Test double of a log: an arm that stands at home while a motion runs."""

    motion: np.ndarray
    q_rad: np.ndarray
    dq_rad_s: np.ndarray
    q_commanded_rad: np.ndarray
    dq_commanded_rad_s: np.ndarray
    twist_commanded: np.ndarray
    tool_m: np.ndarray


def calm(motion=4.0):
    q = np.tile(CELL.home_joints_rad, (NUM, 1))
    zeros = np.zeros((NUM, 7))
    tool = np.tile(CELL.home_tcp_m, (NUM, 1))
    return Log(np.full(NUM, motion), q, zeros, q, zeros, np.zeros((NUM, 6)), tool)


def judge(log):
    report = check_limits(log, CELL.workspace_min_m, CELL.workspace_max_m)
    return {name for name, count in report.violations.items() if count}, report


def ramp(rate, joint=0, width=7):
    """Speed that grows for a hundred ticks, smoothly enough for any jerk."""
    t = np.arange(NUM) * 0.001
    rise = np.clip((t - 0.1) / 0.05, 0.0, 1.0)
    rate_now = rate * (rise * rise * (3 - 2 * rise)) * (t < 0.2)
    fade = np.clip((0.25 - t) / 0.05, 0.0, 1.0)
    rate_now = np.where(t < 0.2, rate_now, rate * fade * fade * (3 - 2 * fade))
    values = np.zeros((NUM, width))
    values[:, joint] = np.cumsum(rate_now) * 0.001
    return values


def test_a_calm_log_breaks_nothing():
    broken, report = judge(calm())
    assert broken == set() and report.num_ticks == NUM and report.num_missed == 0


@pytest.mark.parametrize("motion", [2.0, 4.0])
def test_each_broken_limit_is_found(motion):
    log = calm(motion)
    far = log.q_rad.copy()
    far[7, 3] = -3.2
    assert "joint_position" in judge(replace(log, q_rad=far))[0]
    assert judge(replace(log, dq_rad_s=np.full((NUM, 7), 2.7)))[0] == {"joint_speed_measured"}
    assert judge(replace(log, dq_commanded_rad_s=ramp(9.5)))[0] == set()
    assert judge(replace(log, dq_commanded_rad_s=ramp(10.5)))[0] == {"joint_acceleration"}
    assert judge(replace(log, twist_commanded=ramp(8.8, 0, 6)))[0] == set()
    assert judge(replace(log, twist_commanded=ramp(9.2, 0, 6)))[0] == {"tool_acceleration"}
    out = log.tool_m + np.array([0.0, 0.0, 0.3])
    assert judge(replace(log, tool_m=out))[0] == {"workspace"}


def test_a_step_of_the_command_is_a_jerk():
    twist = np.zeros((NUM, 6))
    twist[200:, 0] = 0.008
    assert judge(replace(calm(), twist_commanded=twist))[0] == {"tool_jerk"}


def test_speeds_are_bounded_where_a_joint_comes_to_its_end():
    log = calm()
    near = log.q_rad.copy()
    near[:, 0] = 2.69
    fast = ramp(4.0)
    assert judge(replace(log, dq_commanded_rad_s=fast))[0] == set()
    assert judge(replace(log, q_rad=near, dq_commanded_rad_s=fast))[0] == {"joint_speed"}


@pytest.mark.parametrize("motion", [2.0, 4.0])
def test_a_command_that_came_too_late_is_counted_and_no_jerk(motion):
    dq = np.zeros((NUM, 7))
    dq[:, 0] = 0.0005 * np.arange(NUM)
    dq[200, 0] = dq[199, 0]
    broken, report = judge(replace(calm(motion=motion), dq_commanded_rad_s=dq))
    assert report.num_missed == 1
    assert broken == set()


def test_what_does_not_move_by_command_is_not_judged_as_command():
    log = replace(calm(motion=0.0), dq_commanded_rad_s=ramp(30.0), tool_m=calm().tool_m + 1.0)
    assert judge(log)[0] == set()


@pytest.mark.parametrize("factor", [0.5, 4.0])
def test_joint_motions_are_judged_by_their_positions(factor):
    t = np.arange(NUM) * 0.001
    q = calm().q_commanded_rad.copy()
    q[:, 0] += factor * 3.0 * 0.05**2 * np.sin(t / 0.05)
    broken, _ = judge(replace(calm(motion=1.0), q_commanded_rad=q))
    assert broken == ({"joint_acceleration"} if factor > 1.0 else set())

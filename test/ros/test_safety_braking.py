"""Streams of hostile twists on an arm that does what it is told: no limit is ever broken."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.fr3_kinematics import frames
from spatialbot_ros.ports import ArmMode, ArmState, Pace
from spatialbot_ros.safety_bodies import ArmBodies
from spatialbot_ros.safety_braking import Braking, change_time_s
from spatialbot_ros.safety_joints import JointGuard
from spatialbot_ros.safety_limits import KeepOutBox, SafetyLimits

CELL = load_cell()
LIMITS = SafetyLimits()
HOLD_S, PERIOD_S, TICK_S = 0.05, 0.02, 0.002
SHELVES = (
    KeepOutBox("left", (0.2, 0.2, 0.05), (0.9, 0.3, 0.9)),
    KeepOutBox("right", (0.2, -0.3, 0.05), (0.9, -0.2, 0.9)),
)
BODIES = ArmBodies(CELL.table_top_z_m, SHELVES)
STOP = Pace(LIMITS.joint_acceleration_share, LIMITS.joint_jerk_share)


class RampedArm:
    """Test double: joint speeds change evenly in the time that their pace needs.

    Args:
        q_rad: (7,) joints at first.
    """

    def __init__(self, q_rad):
        self.q_rad, self.dq_rad_s = np.array(q_rad, dtype=float), np.zeros(7)
        self.acceleration = 0.0
        self.outside_m = -1.0
        self.speed_share = 0.0
        self.clearance_m = 1.0

    def state(self):
        zeros, T = np.zeros(7), frames(self.q_rad).T_base_ee
        return ArmState(
            0.0, self.q_rad, self.dq_rad_s, zeros, T, 0.08, ArmMode.MOVING, (), self.dq_rad_s
        )

    def stream(self, dq_rad_s, pace, duration_s):
        """Change to speeds and keep them, `duration_s` together."""
        change = dq_rad_s - self.dq_rad_s
        ticks = max(1, round(change_time_s(change, pace) / TICK_S))
        rate = change / ticks
        self.acceleration = max(self.acceleration, np.max(np.abs(rate)) / TICK_S)
        for k in range(round(duration_s / TICK_S)):
            self.dq_rad_s = self.dq_rad_s + rate if k < ticks else dq_rad_s
            self.q_rad = self.q_rad + TICK_S * self.dq_rad_s
            self._judge()

    def come_to_rest(self, pace):
        self.stream(np.zeros(7), pace, change_time_s(self.dq_rad_s, pace) + TICK_S)

    def _judge(self):
        lowest, highest = fr3.joint_speed_bounds(self.q_rad)
        dq = self.dq_rad_s
        bound = np.maximum(np.where(dq > 0.0, highest, -lowest), 1e-3)
        self.speed_share = max(self.speed_share, np.max(np.abs(dq) / bound))
        tool_m = frames(self.q_rad).T_base_ee[:3, 3]
        outside_m = np.maximum(CELL.workspace_min_m - tool_m, tool_m - CELL.workspace_max_m)
        self.outside_m = max(self.outside_m, np.max(outside_m))


def hostile_run(seed, stall, bodies=None):
    """Five seconds of twists that turn at random or push on; returns the arm."""
    rng = np.random.default_rng(seed)
    guard = JointGuard(LIMITS, CELL.workspace_min_m, CELL.workspace_max_m, bodies)
    arm = RampedArm(CELL.home_joints_rad)
    twist = np.zeros(6)
    for step in range(250):
        if step % int(rng.integers(1, 60)) == 0:
            linear, angular = rng.normal(size=3), rng.normal(size=3)
            twist[:3] = LIMITS.max_speed_m_s * linear / np.linalg.norm(linear)
            twist[3:] = rng.uniform(0, LIMITS.max_speed_rad_s) * angular / np.linalg.norm(angular)
        shaped = guard.shape(twist, arm.state(), HOLD_S)
        arm.stream(shaped.dq_rad_s, shaped.pace, PERIOD_S)
        if stall and rng.random() < 0.03:
            # the caller stalls: the command is held, then the arm comes to rest by itself
            arm.stream(shaped.dq_rad_s, shaped.pace, HOLD_S)
            arm.come_to_rest(shaped.pace)
        arm.clearance_m = min(arm.clearance_m, BODIES.clearance(frames(arm.q_rad)).distance_m)
    return arm


@pytest.mark.parametrize("stall", [False, True])
def test_hostile_streams_stay_in_the_box_and_within_the_joints_limits(stall):
    arms = [hostile_run(seed, stall) for seed in range(4)]
    for arm in arms:
        assert arm.outside_m < 0.003
        assert arm.speed_share <= 1.0
        assert arm.acceleration <= fr3.JOINT_ACCELERATION_RAD_S2
    # they were really pushed there
    assert max(arm.outside_m for arm in arms) > -0.02


def test_a_tool_that_was_carried_through_a_wall_comes_back():
    arm = RampedArm(CELL.home_joints_rad)
    tool_m = frames(arm.q_rad).T_base_ee[:3, 3]
    high_m = tool_m + np.array([0.2, -0.004, 0.2])
    guard = JointGuard(LIMITS, CELL.workspace_min_m, high_m)
    along = np.array([0.1, 0.05, 0.0, 0.0, 0.0, 0.0])
    shaped = guard.shape(along, arm.state(), HOLD_S)
    assert shaped.twist_base[1] == pytest.approx(-0.06, abs=0.01)
    assert shaped.twist_base[0] > 0.05
    assert [r.name for r in shaped.records] == ["workspace_speed"]


def test_hostile_streams_do_not_lead_the_arm_into_a_box():
    without, guarded = (
        [hostile_run(seed, False, bodies).clearance_m for seed in range(4)]
        for bodies in (None, BODIES)
    )
    assert min(without) < 0.0
    assert min(guarded) > 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6),
    st.lists(st.floats(-0.8, 0.8), min_size=7, max_size=7),
    st.lists(st.floats(-0.3, 0.3), min_size=7, max_size=7),
)
def test_every_pace_keeps_joints_and_tool_within_their_accelerations(twist, now, away):
    """All joints of a change take as long as the slowest of them needs."""
    arm = RampedArm(CELL.home_joints_rad + np.array(away))
    arm.dq_rad_s = np.array(now)
    measured = arm.state()
    guard = JointGuard(LIMITS, CELL.workspace_min_m, CELL.workspace_max_m)
    shaped = guard.shape(np.array(twist), measured, HOLD_S)
    stop = guard.stop_pace(measured)
    jacobian = frames(arm.q_rad).jacobian
    for change, pace, acceleration_m_s2 in (
        (shaped.dq_rad_s - arm.dq_rad_s, shaped.pace, LIMITS.max_acceleration_m_s2),
        (shaped.dq_rad_s, shaped.pace, LIMITS.max_acceleration_m_s2),
        (arm.dq_rad_s, stop, fr3.TOOL_ACCELERATION_M_S2),
    ):
        for share in (pace.acceleration, pace.jerk):
            assert 0.0 < share <= 0.95
        rate = change / change_time_s(change, pace)
        assert np.all(np.abs(rate) <= 0.95 * fr3.COMMAND_ACCELERATION_RAD_S2 + 1e-9)
        assert np.linalg.norm((jacobian @ rate)[:3]) <= acceleration_m_s2 + 1e-9


def test_a_way_without_an_exit_is_braked():
    """Too fast towards a wall that is too near: nothing is better than rest."""
    arm = RampedArm(CELL.home_joints_rad)
    arm.dq_rad_s = np.array([0.0, 0.9, 0.0, 0.7, 0.0, 0.2, 0.0])
    low_m, high_m = CELL.workspace_min_m, CELL.workspace_max_m
    tool_m = frames(arm.q_rad).T_base_ee[:3, 3]
    high_m = np.array([tool_m[0] + 0.005, *high_m[1:]])
    braking = Braking(arm.state(), HOLD_S, 0.9, low_m, high_m, STOP)
    assert braking.largest_share(arm.dq_rad_s) == 0.0
    assert braking.largest_share(-arm.dq_rad_s) == 1.0
    assert braking.in_box(braking.way(np.zeros(7)))


def test_a_joint_is_slow_where_it_nears_its_end():
    arm = RampedArm(CELL.home_joints_rad)
    wide = (np.full(3, -2.0), np.full(3, 2.0))
    towards = np.array([1.0, 0, 0, 0, 0, 0, 0])
    shares = []
    for left_rad in (0.5, 0.2, 0.1, 0.05):
        arm.q_rad[0] = fr3.JOINT_UPPER_RAD[0] - left_rad
        braking = Braking(arm.state(), HOLD_S, 0.9, *wide, STOP)
        shares.append(braking.largest_share(towards))
        back = dataclasses.replace(arm.state())
        assert Braking(back, HOLD_S, 0.9, *wide, STOP).largest_share(-towards) == 1.0
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5 and shares[-1] < 0.1

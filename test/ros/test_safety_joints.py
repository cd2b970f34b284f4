"""What a twist asks of the joints: slowed where they cannot follow."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_ros.configuration import load_cell
from spatialbot_ros.fr3_kinematics import damped_inverse, frames
from spatialbot_ros.fr3_limits import COMMAND_ACCELERATION_RAD_S2
from spatialbot_ros.ports import Pace
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm
from spatialbot_ros.safety_bodies import ArmBodies
from spatialbot_ros.safety_braking import change_time_s
from spatialbot_ros.safety_joints import JointGuard, singularity_measure
from spatialbot_ros.safety_limits import KeepOutBox, SafetyLimits
from spatialbot_ros.safety_pace import RADIANS_PER_METRE
from spatialbot_ros.safety_posture import PostureGuard

CELL = load_cell()
LIMITS = SafetyLimits()
HOLD_S = 0.05
FORWARD = np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.0])
STRETCHED_RAD = np.array([0.0, 0.9, 0.0, -0.35, 0.0, 1.3, 0.0])


def guard(**changes):
    limits = dataclasses.replace(LIMITS, **changes)
    return JointGuard(limits, CELL.workspace_min_m, CELL.workspace_max_m)


def state(q_rad=CELL.home_joints_rad, dq_rad_s=None):
    arm = MemoryArm(np.asarray(q_rad, dtype=float), ManualClock())
    arm.connect()
    measured = arm.read_state()
    if dq_rad_s is None:
        return measured
    dq_rad_s = np.asarray(dq_rad_s, dtype=float)
    return dataclasses.replace(measured, dq_rad_s=dq_rad_s, dq_commanded_rad_s=dq_rad_s)


def names(shaped):
    return {record.name for record in shaped.records}


def test_an_ordinary_twist_at_home_is_not_changed():
    shaped = guard().shape(0.5 * FORWARD, state(), HOLD_S)
    np.testing.assert_allclose(shaped.twist_base, 0.5 * FORWARD, atol=1e-5)
    least = damped_inverse(frames(CELL.home_joints_rad).jacobian) @ (0.5 * FORWARD)
    np.testing.assert_allclose(shaped.dq_rad_s, least)
    assert shaped.records == ()


def test_no_joint_goes_faster_than_it_can_be_stopped_in_time():
    shaped = guard(max_stop_s=0.05).shape(FORWARD, state(), HOLD_S)
    assert names(shaped) == {"stop_time"}
    assert change_time_s(shaped.dq_rad_s, Pace(0.95, 0.7)) < 0.05
    # slower, in the same direction
    np.testing.assert_allclose(shaped.twist_base[1:], 0.0, atol=1e-5)


def test_slowing_is_told_when_it_begins_and_again_after_a_rest():
    one = guard(max_stop_s=0.05)
    assert names(one.shape(FORWARD, state(), HOLD_S)) == {"stop_time"}
    assert names(one.shape(FORWARD, state(), HOLD_S)) == set()
    one.reset()
    assert names(one.shape(FORWARD, state(), HOLD_S)) == {"stop_time"}


def test_a_stretched_arm_does_not_stretch_further_but_comes_back():
    assert singularity_measure(STRETCHED_RAD) < LIMITS.singularity_slow
    outwards = frames(STRETCHED_RAD).T_base_ee[:3, 3] - np.array([0.0, 0.0, 0.333])
    twist = np.concatenate([0.1 * outwards / np.linalg.norm(outwards), np.zeros(3)])
    wide = JointGuard(LIMITS, np.full(3, -2.0), np.full(3, 2.0))
    further = wide.shape(twist, state(STRETCHED_RAD), HOLD_S)
    assert "singularity" in names(further)
    assert np.linalg.norm(further.twist_base) < 0.5 * np.linalg.norm(twist)
    back = wide.shape(-0.5 * twist, state(STRETCHED_RAD), HOLD_S)
    assert np.linalg.norm(back.twist_base) > np.linalg.norm(further.twist_base)


def tool_accelerations(jacobian, change_rad_s, pace):
    """[m/s2, rad/s2] of the tool while all joints make their change in the same time."""
    duration_s = np.max(np.abs(change_rad_s) / (pace.acceleration * COMMAND_ACCELERATION_RAD_S2))
    tool = jacobian @ change_rad_s / max(duration_s, 1e-9)
    return np.array([np.linalg.norm(tool[:3]), np.linalg.norm(tool[3:])])


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_slows_a_command_the_tool_keeps_its_accelerations(seed):
    # a wall or a joint's end may bring the command to rest: that is another change than asked
    rng = np.random.default_rng(seed)
    q_rad = CELL.home_joints_rad + rng.uniform(-0.7, 0.7, 7)
    jacobian = frames(q_rad).jacobian
    present, twist = (
        damped_inverse(jacobian) @ rng.uniform(-0.4, 0.4, 6),
        rng.uniform(-1.0, 1.0, 6),
    )
    tool_m = state(q_rad).T_base_ee[:3, 3]
    walls_m = rng.uniform(0.0, 0.05, (2, 3))
    one = JointGuard(LIMITS, tool_m - walls_m[0], tool_m + walls_m[1])
    shaped = one.shape(twist, state(q_rad, present), HOLD_S)
    bounds = LIMITS.max_acceleration_m_s2 * np.array([1.0, RADIANS_PER_METRE])
    for change in (shaped.dq_rad_s - present, -present, shaped.dq_rad_s):
        if np.max(np.abs(change)) > 1e-3 and shaped.pace.acceleration > 0.0101:
            share = tool_accelerations(jacobian, change, shaped.pace) / bounds
            assert share.max() <= 1.0 + 1e-6


def test_a_singular_posture_has_finite_speeds():
    straight_rad = np.zeros(7)
    wide = JointGuard(LIMITS, np.full(3, -2.0), np.full(3, 2.0))
    for axis in range(6):
        shaped = wide.shape(0.3 * np.eye(6)[axis], state(straight_rad), HOLD_S)
        assert np.all(np.isfinite(shaped.dq_rad_s))
        assert change_time_s(shaped.dq_rad_s, Pace(0.95, 0.7)) < LIMITS.max_stop_s


def test_a_wall_is_approached_slowly_and_left_freely():
    measured = state()
    T = measured.T_base_ee.copy()
    T[0, 3] = CELL.workspace_max_m[0] - 0.005
    near = dataclasses.replace(measured, T_base_ee=T)
    shaped = guard().shape(FORWARD, near, HOLD_S)
    assert names(shaped) == {"workspace_speed"}
    assert 0.0 <= shaped.twist_base[0] < 0.1
    along = guard().shape(np.array([0.3, 0.1, 0.0, 0.0, 0.0, 0.0]), near, HOLD_S)
    assert along.twist_base[1] == pytest.approx(0.1, abs=0.01)
    back = guard().shape(-0.5 * FORWARD, near, HOLD_S)
    np.testing.assert_allclose(back.twist_base, -0.5 * FORWARD, atol=1e-5)


def posture_guard(**changes):
    limits = dataclasses.replace(LIMITS, **changes)
    return PostureGuard(limits, ArmBodies(CELL.table_top_z_m, limits.keep_out))


def moved(T, *delta_m):
    T = T.copy()
    T[:3, 3] += delta_m
    return T


def test_a_target_that_the_arm_can_take_is_taken():
    T = frames(CELL.home_joints_rad).T_base_ee
    wanted = moved(T, 0.02, 0.01, -0.02)
    given_T, records = posture_guard().limit(wanted, T, CELL.home_joints_rad)
    np.testing.assert_array_equal(given_T, wanted)
    assert records == ()


@pytest.mark.parametrize(
    ("q_rad", "delta_m", "name"),
    [
        (STRETCHED_RAD, (0.25, 0.0, 0.1), "reach"),
        ((0.0, -0.557, 0.0, -2.95, 0.0, 2.4, 0.785), (-0.06, 0.0, 0.0), "joint_range"),
    ],
)
def test_a_target_that_the_arm_must_not_take_stays_back_and_says_why(q_rad, delta_m, name):
    q_rad = np.array(q_rad)
    T = frames(q_rad).T_base_ee
    wanted = moved(T, *delta_m)
    given_T, records = posture_guard().limit(wanted, T, q_rad)
    assert [record.name for record in records] == [name]
    assert np.linalg.norm(given_T[:3, 3] - T[:3, 3]) < 0.6 * np.linalg.norm(delta_m)
    np.testing.assert_allclose(records[0].asked, wanted[:3, 3])
    np.testing.assert_allclose(records[0].given, given_T[:3, 3])


def test_a_keep_out_box_holds_the_target_back():
    T = frames(CELL.home_joints_rad).T_base_ee
    tool_m = T[:3, 3]
    low_m, high_m = np.array([0.06, -0.1, -0.1]), np.array([0.2, 0.1, 0.1])
    box = KeepOutBox("stand", tuple(tool_m + low_m), tuple(tool_m + high_m))
    guard_ = posture_guard(keep_out=(box,))
    _, records = guard_.limit(moved(T, 0.05, 0.0, 0.0), T, CELL.home_joints_rad)
    assert [record.name for record in records] == ["collision"]
    assert "stand" in records[0].detail
    # away from it is always allowed
    assert guard_.limit(moved(T, -0.03, 0.0, 0.0), T, CELL.home_joints_rad)[1] == ()

"""What a twist asks of the joints: slowed where they cannot follow, paced so that they can."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.fr3_kinematics import damped_inverse, frames
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm
from spatialbot_ros.safety_bodies import ArmBodies
from spatialbot_ros.safety_joints import JointGuard, singularity_measure
from spatialbot_ros.safety_limits import KeepOutBox, SafetyLimits
from spatialbot_ros.safety_posture import PostureGuard

CELL = load_cell()
LIMITS = SafetyLimits()
FORWARD = np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.0])
STRETCHED_RAD = np.array([0.0, 0.9, 0.0, -0.35, 0.0, 1.3, 0.0])


def guard(**changes):
    limits = dataclasses.replace(LIMITS, **changes)
    return JointGuard(limits, CELL.workspace_min_m, CELL.workspace_max_m)


def state(q_rad=CELL.home_joints_rad, twist=None):
    arm = MemoryArm(np.asarray(q_rad, dtype=float), ManualClock())
    arm.connect()
    measured = arm.read_state()
    if twist is None:
        return measured
    return dataclasses.replace(measured, twist_commanded=np.asarray(twist, dtype=float))


def names(shaped):
    return {record.name for record in shaped.records}


def test_an_ordinary_twist_at_home_is_not_changed():
    shaped = guard().shape(0.5 * FORWARD, state())
    np.testing.assert_array_equal(shaped.twist_base, 0.5 * FORWARD)
    assert shaped.records == ()


def test_no_joint_goes_faster_than_it_can_be_stopped_in_time():
    shaped = guard(max_stop_s=0.05).shape(FORWARD, state())
    assert names(shaped) == {"stop_time"}
    dq_rad_s = damped_inverse(frames(CELL.home_joints_rad).jacobian) @ shaped.twist_base
    assert np.max(np.abs(dq_rad_s)) < 0.05 * 0.9 * fr3.JOINT_ACCELERATION_RAD_S2
    np.testing.assert_allclose(shaped.twist_base[1:], 0.0, atol=1e-12)


def test_slowing_is_told_when_it_begins_and_again_after_a_rest():
    one = guard(max_stop_s=0.05)
    assert names(one.shape(FORWARD, state())) == {"stop_time"}
    assert names(one.shape(FORWARD, state())) == set()
    one.reset()
    assert names(one.shape(FORWARD, state())) == {"stop_time"}


def test_a_stretched_arm_does_not_stretch_further_but_comes_back():
    assert singularity_measure(STRETCHED_RAD) < LIMITS.singularity_slow
    outwards = frames(STRETCHED_RAD).T_base_ee[:3, 3] - np.array([0.0, 0.0, 0.333])
    twist = np.concatenate([0.1 * outwards / np.linalg.norm(outwards), np.zeros(3)])
    wide = JointGuard(LIMITS, np.full(3, -2.0), np.full(3, 2.0))
    further = wide.shape(twist, state(STRETCHED_RAD))
    assert "singularity" in names(further)
    assert np.linalg.norm(further.twist_base) < 0.5 * np.linalg.norm(twist)
    back = wide.shape(-0.5 * twist, state(STRETCHED_RAD))
    assert np.linalg.norm(back.twist_base) > np.linalg.norm(further.twist_base)


def test_a_wall_is_approached_slowly_and_left_freely():
    measured = state()
    T = measured.T_base_ee.copy()
    T[0, 3] = CELL.workspace_max_m[0] - 0.005
    near = dataclasses.replace(measured, T_base_ee=T)
    shaped = guard().shape(FORWARD, near)
    assert names(shaped) == {"workspace_speed"}
    assert 0.0 <= shaped.twist_base[0] < 0.12
    np.testing.assert_array_equal(guard().shape(-0.5 * FORWARD, near).twist_base, -0.5 * FORWARD)


def test_an_arm_that_runs_into_a_wall_brakes_before_it_turns():
    measured = state(twist=(0.3, 0, 0, 0, 0, 0))
    T = measured.T_base_ee.copy()
    T[0, 3] = CELL.workspace_max_m[0] - 0.01
    near = dataclasses.replace(measured, T_base_ee=T)
    shaped = guard().shape(np.array([-0.1, 0.3, 0.0, 0.0, 0.0, 0.5]), near)
    np.testing.assert_allclose(shaped.twist_base[1:], 0.0, atol=1e-9)
    assert shaped.twist_base[0] < 0.1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-0.4, 0.4), min_size=6, max_size=6),
    st.lists(st.floats(-0.3, 0.3), min_size=6, max_size=6),
    st.lists(st.floats(-0.3, 0.3), min_size=7, max_size=7),
)
def test_every_pace_keeps_the_joints_within_their_acceleration(twist, now, away):
    """All axes of a change take as long as the slowest of them needs."""
    q_rad = CELL.home_joints_rad + np.array(away)
    measured = state(q_rad, now)
    one = guard()
    shaped = one.shape(np.array(twist), measured)
    inverse = damped_inverse(frames(q_rad).jacobian)
    axes = np.array([1.0, 1.0, 1.0, *(25.0 / 13.0,) * 3])
    for change, pace in (
        (shaped.twist_base - now, shaped.pace),
        (np.array(now), one.stop_pace(measured)),
    ):
        longest = np.max(np.abs(change) / axes)
        if longest < 1e-3:
            continue
        duration_s = longest / pace.acceleration_m_s2
        joints = np.abs(inverse @ change) / duration_s
        assert np.max(joints) <= fr3.JOINT_ACCELERATION_RAD_S2
    bound = fr3.joint_speed_bounds(q_rad)[1]
    assert np.all(inverse @ shaped.twist_base <= bound + 1e-9)


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

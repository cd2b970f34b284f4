"""The impedance backend: its springs, and real franky with torques against a simulated FR3."""

import numpy as np
import pytest
from arm_driving import CELL, FORWARD, drive, make_executor, stream_for
from hypothesis import given
from hypothesis import strategies as st
from robot_process import wait_until

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.executor_types import State
from spatialbot_ros.fr3_limits import COMMAND_ACCELERATION_RAD_S2
from spatialbot_ros.ports import ArmMode, Pace
from spatialbot_ros.robots.franky_arm import FrankyArm, FrankyConfig
from spatialbot_ros.robots.registry import ArmSettings, make_arm
from spatialbot_ros.robots.spring_reference import MAX_LEAD_RAD, SpringReference

HOLD_S = 0.05
SPEEDS = st.lists(
    st.tuples(
        st.floats(0.0, 0.2),
        st.lists(st.floats(-2.0, 2.0), min_size=7, max_size=7).map(np.array),
        st.floats(0.05, 1.0),
    ),
    max_size=20,
)


@given(SPEEDS, st.booleans())
def test_springs_keep_pace_and_lead_whatever_is_asked(commands, is_blocked):
    reference, time_s, q_rad = SpringReference(np.zeros(7), 5.0), 5.0, np.zeros(7)
    for passed_s, wanted, acceleration in commands:
        time_s += passed_s
        before = reference.dq_rad_s
        reference.advance(time_s, wanted, HOLD_S, Pace(acceleration, 1.0), q_rad)
        reach = acceleration * COMMAND_ACCELERATION_RAD_S2 * min(passed_s, HOLD_S)
        assert np.all(np.abs(reference.dq_rad_s - before) <= reach + 1e-9)
        assert np.all(np.abs(reference.q_rad - q_rad) <= MAX_LEAD_RAD + 1e-12)
        if not is_blocked:
            q_rad = reference.q_rad


def test_springs_follow_a_steady_speed_and_stand_when_nobody_asks():
    reference, wanted = SpringReference(np.zeros(7), 0.0), np.full(7, 0.2)
    for k in range(1, 51):
        reference.advance(0.02 * k, wanted, HOLD_S, Pace(1.0, 1.0), reference.q_rad)
    np.testing.assert_allclose(reference.q_rad, 0.2, atol=0.006)
    before = reference.q_rad
    reference.advance(60.0, wanted, HOLD_S, Pace(1.0, 1.0), before)
    np.testing.assert_allclose(reference.q_rad - before, 0.2 * HOLD_S, atol=1e-9)


@pytest.fixture
def arm(robot_process):
    arm = FrankyArm(FrankyConfig(robot_process.address, backend="impedance"))
    arm.connect()
    yield arm
    arm.close()


def test_it_follows_actions_and_ends_at_rest(arm):
    assert arm.move_to_joints(CELL.home_joints_rad, 0.5)
    executor = make_executor()
    executor.connected(arm.read_state())
    start_m = arm.read_state().T_base_ee[:3, 3]
    delta_m = np.array([0.015, -0.0078, -0.012])
    drive(arm, executor, [delta_m] * 8)
    assert executor.state is State.HOLD and executor.num_faults == 0
    moved_m = arm.read_state().T_base_ee[:3, 3] - start_m
    np.testing.assert_allclose(moved_m, 8 * delta_m, atol=0.004)


def test_a_stalled_caller_stops_the_arm(arm):
    assert arm.move_to_joints(CELL.home_joints_rad, 0.5)
    moving = stream_for(arm, 0.4)
    assert moving.mode is ArmMode.MOVING and moving.dq_commanded_rad_s is None
    assert np.max(np.abs(moving.dq_rad_s)) > 0.05

    def rests():
        state = arm.read_state()
        is_later = state.robot_time_s > moving.robot_time_s + 0.1
        return is_later and np.max(np.abs(state.dq_rad_s)) < 0.005 and state

    rest = wait_until(rests)
    assert rest.robot_time_s - moving.robot_time_s < 1.5
    assert np.linalg.norm(rest.T_base_ee[:3, 3] - moving.T_base_ee[:3, 3]) < 0.03


def test_stop_hands_the_arm_back_to_the_robot_and_it_can_go_on(arm):
    stream_for(arm, 0.3)
    arm.stop()
    rest = wait_until(lambda: (s := arm.read_state()).mode is ArmMode.IDLE and s)
    again = stream_for(arm, 0.5, -FORWARD)
    assert again.T_base_ee[0, 3] < rest.T_base_ee[0, 3] - 0.01
    # while it is still stopping
    arm.stop()
    stream_for(arm, 0.3)
    assert arm.move_to_joints(CELL.home_joints_rad, 0.5)
    assert arm.read_state().errors == ()


def test_a_backend_that_an_arm_has_not_is_refused():
    with pytest.raises(UnknownNameError, match="impedance, velocity"):
        FrankyConfig("127.0.0.1", backend="admittance")
    with pytest.raises(ConfigurationError, match="knows no forces"):
        make_arm("memory", ArmSettings("", CELL.home_joints_rad, backend="impedance"))

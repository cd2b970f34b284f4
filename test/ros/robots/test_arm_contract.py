"""What every arm in the registry must do; a new arm is tested by its registry line."""

import numpy as np
import pytest
from robot_process import wait_until
from tool_motion import stream_twist

from spatialbot_model.contracts.errors import RobotConnectionError, UnknownNameError
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.fr3_kinematics import forward
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.robots.registry import ARMS, ArmSettings, make_arm

CELL = load_cell()


@pytest.fixture(params=sorted(ARMS))
def arm(request):
    address = ""
    if request.param == "franky":
        address = request.getfixturevalue("robot_process").address
    arm = make_arm(request.param, ArmSettings(address or "unused", CELL.home_joints_rad))
    yield arm
    arm.close()


def stream(arm, twist, duration_s):
    """Renew a twist for a while of robot time; returns the state at the end."""
    twist = np.array(twist, dtype=float)
    begun_s = arm.read_state().robot_time_s

    def done():
        stream_twist(arm, twist, 0.05)
        state = arm.read_state()
        return state if state.robot_time_s - begun_s >= duration_s else None

    return wait_until(done)


def at_rest(arm):
    """State once nothing moves any more."""

    def resting():
        state = arm.read_state()
        return state if state.mode is ArmMode.IDLE else None

    return wait_until(resting)


def test_it_must_be_connected_first(arm):
    with pytest.raises(RobotConnectionError, match="connect"):
        arm.read_state()
    with pytest.raises(RobotConnectionError, match="connect"):
        arm.stream_joints(np.zeros(7), 0.1)


def test_close_is_allowed_at_any_time(arm):
    arm.close()
    arm.connect()
    arm.close()
    arm.close()
    arm.connect()
    assert arm.read_state().mode is ArmMode.IDLE


def test_the_state_is_complete_and_consistent(arm):
    arm.connect()
    state = arm.read_state()
    for vector in (state.q_rad, state.dq_rad_s, state.tau_nm):
        assert vector.shape == (7,) and np.all(np.isfinite(vector))
    assert 0.0 <= state.gripper_width_m <= 0.085
    np.testing.assert_allclose(state.T_base_ee, forward(state.q_rad)[0], atol=0.002)
    assert state.errors == ()


def test_robot_time_goes_on(arm):
    arm.connect()
    first_s = arm.read_state().robot_time_s
    wait_until(lambda: arm.read_state().robot_time_s > first_s + 0.05)


def test_a_twist_moves_the_tool_in_the_base_frame_and_ends_by_itself(arm):
    arm.connect()
    assert arm.move_to_joints(CELL.home_joints_rad, 0.5)
    start = at_rest(arm)
    stream(arm, [0.1, 0.05, 0.0, 0.0, 0.0, 0.0], 0.4)
    end = at_rest(arm)
    moved_m = end.T_base_ee[:3, 3] - start.T_base_ee[:3, 3]
    assert 0.03 < moved_m[0] < 0.06
    assert moved_m[1] == pytest.approx(0.5 * moved_m[0], abs=0.004)
    assert abs(moved_m[2]) < 0.004


def test_stop_is_quick_and_harmless_at_rest(arm):
    arm.connect()
    arm.stop()
    moving = stream(arm, [0.0, 0.0, 0.1, 0.0, 0.0, 0.0], 0.2)
    arm.stop()
    rest = at_rest(arm)
    assert rest.robot_time_s - moving.robot_time_s < 0.5
    assert abs(rest.T_base_ee[2, 3] - moving.T_base_ee[2, 3]) < 0.02
    arm.stop()


def test_home_is_reached_and_watched(arm):
    arm.connect()
    away = CELL.home_joints_rad + np.array([0.1, 0, 0, 0, 0, 0, 0])
    assert arm.move_to_joints(away, 1.0)
    times_s = []

    def go_on(state):
        times_s.append(state.robot_time_s)
        return True

    assert arm.move_to_joints(CELL.home_joints_rad, 0.5, go_on)
    assert len(times_s) > 3 and times_s == sorted(times_s)
    np.testing.assert_allclose(arm.read_state().q_rad, CELL.home_joints_rad, atol=0.01)


def test_a_joint_motion_can_be_given_up(arm):
    arm.connect()
    begun = arm.read_state()
    away = CELL.home_joints_rad + np.array([0.8, 0, 0, 0, 0, 0, 0])
    assert not arm.move_to_joints(away, 0.3, lambda s: s.robot_time_s < begun.robot_time_s + 0.3)
    assert abs(at_rest(arm).q_rad[0] - away[0]) > 0.3
    assert arm.move_to_joints(CELL.home_joints_rad, 1.0)


def test_the_gripper_obeys_the_latest_wish(arm):
    arm.connect()
    for closed in (True, False, True, False, True):
        arm.command_gripper(closed)
    wait_until(lambda: arm.read_state().gripper_width_m < 0.005)
    arm.command_gripper(False)
    wait_until(lambda: arm.read_state().gripper_width_m > 0.07)


def test_unknown_arms_are_refused_with_the_list():
    with pytest.raises(UnknownNameError, match="franky, memory"):
        make_arm("ur5", ArmSettings("127.0.0.1", CELL.home_joints_rad))

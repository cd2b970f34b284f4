"""Real franky against a simulated FR3: following actions, stopping, and everything that fails."""

import socket
import threading

import numpy as np
import pytest
from arm_driving import CELL, CONFIG, FORWARD, drive, make_executor, stream_for
from own_address import own_address
from robot_process import wait_until
from tool_motion import stream_twist

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    RobotConnectionError,
    RobotError,
    RobotReflexError,
)
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.robots.franky_arm import ROBOT_PORT, FrankyArm, FrankyConfig, connection


@pytest.fixture
def arm(robot_process):
    arm = FrankyArm(FrankyConfig(robot_process.address))
    arm.connect()
    yield arm
    arm.close()


def test_it_follows_actions_to_within_two_millimetres_and_hardly_overshoots(arm):
    assert arm.move_to_joints(CELL.home_joints_rad, 0.5)
    executor = make_executor()
    executor.connected(arm.read_state())
    start_m = arm.read_state().T_base_ee[:3, 3]
    delta_m = np.array([0.015, -0.0078, -0.012])
    path, pause_s = drive(arm, executor, [delta_m] * 8)
    # while nobody looks the arm goes on, by what it does in a step: that is the machine's doing
    unseen_m = np.linalg.norm(delta_m) / 0.1 * (pause_s - CONFIG.command_period_s)
    goal_m = start_m + 8 * delta_m
    np.testing.assert_allclose(arm.read_state().T_base_ee[:3, 3], goal_m, atol=0.002)
    direction = delta_m / np.linalg.norm(delta_m)
    along_m = (path - start_m) @ direction
    assert np.max(along_m) < np.linalg.norm(8 * delta_m) + 0.006 + unseen_m
    across_m = path - start_m - np.outer(along_m, direction)
    assert np.max(np.linalg.norm(across_m, axis=1)) < 0.006 + unseen_m
    np.testing.assert_allclose(executor.T_base_target[:3, 3], goal_m, atol=1e-6)


def test_it_goes_down_to_a_pick_height_and_up_again(arm):
    assert arm.move_to_joints(CELL.home_joints_rad, 0.5)
    executor = make_executor()
    executor.connected(arm.read_state())
    down = [(0.0, 0.0, -0.03)] * 8 + [(0.0, 0.0, -0.012)] * 3
    drive(arm, executor, down)
    bottom_m = arm.read_state().T_base_ee[2, 3]
    assert bottom_m == pytest.approx(0.3 - 8 * 0.03 - 3 * 0.012, abs=0.003)
    drive(arm, executor, [(0.0, 0.0, 0.03)] * 3, first_sequence=len(down) + 1)
    assert arm.read_state().T_base_ee[2, 3] == pytest.approx(bottom_m + 0.09, abs=0.003)


def test_a_stalled_caller_stops_the_arm(arm):
    moving = stream_for(arm, 0.2)
    rest = wait_until(lambda: (s := arm.read_state()).mode is ArmMode.IDLE and s)
    assert rest.robot_time_s - moving.robot_time_s < 0.4
    assert np.linalg.norm(rest.T_base_ee[:3, 3] - moving.T_base_ee[:3, 3]) < 0.02


def test_stop_ends_a_fast_motion_within_a_quarter_second_of_robot_time(arm):
    arm.move_to_joints(CELL.home_joints_rad, 0.5)
    # a long hold: only the stop can end it
    moving = stream_for(arm, 0.3, 2.0 * FORWARD, hold_s=5.0)
    arm.stop()
    rest = wait_until(lambda: (s := arm.read_state()).mode is ArmMode.IDLE and s)
    assert rest.robot_time_s - moving.robot_time_s < 0.25
    assert np.linalg.norm(rest.T_base_ee[:3, 3] - moving.T_base_ee[:3, 3]) < 0.025


def test_a_wrong_address_is_named_with_what_to_check():
    address = own_address()
    with pytest.raises(RobotConnectionError, match=f"{address}:1337") as caught:
        FrankyArm(FrankyConfig(address)).connect()
    assert "FCI" in str(caught.value) and "robot_ip" in str(caught.value)


def test_a_host_name_that_does_not_exist_is_named():
    with pytest.raises(RobotConnectionError, match=r"no-such-robot\.invalid"):
        FrankyArm(FrankyConfig("no-such-robot.invalid")).connect()


def test_a_listener_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT_S", 0.3)
    address = own_address()
    with (
        socket.create_server((address, ROBOT_PORT)),
        pytest.raises(RobotConnectionError, match="another program"),
    ):
        FrankyArm(FrankyConfig(address)).connect()


def test_attempts_that_hang_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT_S", 0.1)
    freed, attempts = threading.Event(), []

    def make():
        attempts.append(None)
        assert freed.wait(20)
        return "robot"

    for _ in range(4):
        with pytest.raises(RobotConnectionError, match="another program"):
            connection.within(make, "10.0.0.9:1337")
    assert len(attempts) == 1
    freed.set()
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT_S", 20.0)
    assert connection.within(make, "10.0.0.9:1337") == "robot"
    assert len(attempts) == 2


def test_configuration_is_checked():
    with pytest.raises(ConfigurationError, match="address"):
        FrankyConfig("")
    with pytest.raises(ConfigurationError, match="acceleration_factor"):
        FrankyConfig("127.0.0.1", acceleration_factor=0.0)


def expect(error_type, call):
    """The error that the call raises in the end."""

    def raised():
        try:
            call()
        except error_type as error:
            return error
        return None

    return wait_until(raised)


@pytest.mark.parametrize("moving", [True, False])
def test_a_reflex_is_reported_refused_and_recovered(doomed_robot_process, moving):
    arm = FrankyArm(FrankyConfig(doomed_robot_process.address))
    arm.connect()
    try:
        if moving:
            stream_for(arm, 0.2)
        doomed_robot_process.tell("reflex")
        expect(RobotReflexError, lambda: stream_twist(arm, FORWARD, 0.05) or arm.read_state())
        state = wait_until(lambda: (s := arm.read_state()).mode is ArmMode.REFLEX and s)
        assert "cartesian_reflex" in state.errors or len(state.errors) == 1
        rest_m = state.T_base_ee[:3, 3]
        expect(RobotError, lambda: stream_twist(arm, FORWARD, 0.05) or arm.read_state())
        arm.recover()
        state = arm.read_state()
        assert state.mode is ArmMode.IDLE and state.errors == ()
        np.testing.assert_allclose(state.T_base_ee[:3, 3], rest_m, atol=0.005)
        before_m = state.T_base_ee[0, 3]
        stream_for(arm, 0.3)
        assert arm.read_state().T_base_ee[0, 3] > before_m + 0.01
    finally:
        arm.close()


@pytest.mark.parametrize("moving", [True, False])
def test_a_silent_robot_is_a_lost_connection(doomed_robot_process, moving):
    arm = FrankyArm(FrankyConfig(doomed_robot_process.address))
    arm.connect()
    if moving:
        stream_for(arm, 0.2)
    doomed_robot_process.tell("silence")
    call = (lambda: stream_twist(arm, FORWARD, 0.05)) if moving else arm.read_state
    expect(RobotConnectionError, lambda: call() or arm.read_state())
    arm.close()


def test_a_robot_that_dies_and_comes_back_can_be_connected_again(doomed_robot_process):
    arm = FrankyArm(FrankyConfig(doomed_robot_process.address))
    arm.connect()
    arm.command_gripper(True)
    doomed_robot_process.close()
    expect(RobotConnectionError, arm.read_state)
    arm.close()
    again = type(doomed_robot_process)(doomed_robot_process.address)
    try:
        arm.connect()
        assert arm.read_state().mode is ArmMode.IDLE
    finally:
        arm.close()
        again.close()


def test_close_in_motion_brings_the_arm_to_rest(robot_process):
    arm = FrankyArm(FrankyConfig(robot_process.address))
    arm.connect()
    stream_for(arm, 0.2, hold_s=5.0)
    arm.close()
    arm.connect()
    first_m = arm.read_state().T_base_ee[:3, 3]
    later_s = arm.read_state().robot_time_s + 0.2
    state = wait_until(lambda: (s := arm.read_state()).robot_time_s > later_s and s)
    np.testing.assert_allclose(state.T_base_ee[:3, 3], first_m, atol=0.001)
    arm.close()


def test_renewals_at_every_delay_never_break_the_stream(arm):
    """Late, early and just-too-late renewals: motions end while the next one is sent."""
    arm.move_to_joints(CELL.home_joints_rad, 0.5)
    for i in range(0, 60, 2):
        sign = 1.0 if i % 4 else -1.0
        stream_twist(arm, sign * 0.3 * FORWARD, 0.01)
        due_s = arm.read_state().robot_time_s + 0.002 * i
        wait_until(lambda due_s=due_s: arm.read_state().robot_time_s >= due_s)
    assert arm.read_state().errors == ()
    assert not [t for t in threading.enumerate() if t.name == "franky-connect"]

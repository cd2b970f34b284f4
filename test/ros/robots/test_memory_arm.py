"""The arm in memory: exact on its own clock, and failing when told to."""

import numpy as np
import pytest
from tool_motion import stream_twist

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    RobotConnectionError,
    RobotReflexError,
)
from spatialbot_model.contracts.transforms import rotation_vector
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm

HOME = load_cell().home_joints_rad
SPEEDS = np.array([0.1, -0.2, 0.05, 0.3, 0.0, 0.1, -0.4])


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def arm(clock):
    arm = MemoryArm(HOME, clock, clock.wait)
    arm.connect()
    return arm


def test_it_stands_still_until_the_clock_moves(arm, clock):
    arm.stream_joints(SPEEDS, 1.0)
    first = arm.read_state()
    assert np.array_equal(arm.read_state().T_base_ee, first.T_base_ee)
    clock.wait(0.5)
    np.testing.assert_allclose(arm.read_state().q_rad, first.q_rad + 0.5 * SPEEDS, atol=1e-12)


def test_a_motion_ends_with_its_hold_time(arm, clock):
    start_rad = arm.read_state().q_rad
    arm.stream_joints(SPEEDS, 0.2)
    assert arm.read_state().mode is ArmMode.MOVING
    np.testing.assert_array_equal(arm.read_state().dq_commanded_rad_s, SPEEDS)
    clock.wait(3.0)
    end = arm.read_state()
    assert end.mode is ArmMode.IDLE
    np.testing.assert_allclose(end.q_rad, start_rad + 0.2 * SPEEDS, atol=1e-12)


def test_a_small_twist_moves_the_tool_that_way(arm, clock):
    start = arm.read_state().T_base_ee
    stream_twist(arm, np.array([0, 0.05, 0, 0, 0, 0.1]), 0.2)
    clock.wait(0.3)
    end = arm.read_state().T_base_ee
    np.testing.assert_allclose(end[:3, 3] - start[:3, 3], [0.0, 0.01, 0.0], atol=2e-4)
    turn = rotation_vector(end[:3, :3] @ start[:3, :3].T)
    np.testing.assert_allclose(turn, [0, 0, 0.02], atol=1e-3)


def test_it_closes_on_an_object(clock):
    arm = MemoryArm(HOME, clock, clock.wait, object_width_m=0.04)
    arm.connect()
    arm.command_gripper(True)
    clock.wait(0.1)
    assert arm.read_state().gripper_width_m == pytest.approx(0.06)
    clock.wait(1.0)
    assert arm.read_state().gripper_width_m == pytest.approx(0.04)


def test_a_reflex_stops_it_until_recovered(arm, clock):
    arm.stream_joints(SPEEDS, 1.0)
    arm.trip_reflex()
    before = arm.read_state()
    assert before.mode is ArmMode.REFLEX and before.errors
    with pytest.raises(RobotReflexError, match="recover"):
        arm.stream_joints(np.zeros(7), 0.1)
    with pytest.raises(RobotReflexError):
        arm.move_to_joints(HOME, 0.5)
    clock.wait(1.0)
    np.testing.assert_array_equal(arm.read_state().T_base_ee, before.T_base_ee)
    arm.recover()
    assert arm.read_state().mode is ArmMode.IDLE


def test_a_dropped_connection_fails_until_connected_again(arm):
    arm.drop_connection()
    with pytest.raises(RobotConnectionError):
        arm.read_state()
    arm.connect()
    arm.read_state()


def test_home_must_be_seven_joints():
    with pytest.raises(ConfigurationError, match="7"):
        MemoryArm(np.zeros(6))

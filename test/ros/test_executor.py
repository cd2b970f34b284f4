"""The executor follows actions: targets, speeds, gaps, the gripper; on an arm in memory."""

import numpy as np
import pytest
from executor_bench import CELL, Bench

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import rotation_vector
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import Severity


@pytest.fixture
def bench():
    return Bench().connect()


def test_before_the_first_contact_nothing_is_followed():
    bench = Bench()
    assert bench.state is State.DISCONNECTED
    (record,) = bench.act((0.012, 0, 0))
    assert (record.name, record.severity) == ("not_ready", Severity.REFUSED)
    assert bench.executor.last_sequence == 1


def test_connected_is_idle_and_streams_nothing(bench):
    assert bench.state is State.IDLE
    command = bench.tick(5)
    assert command.dq_rad_s is None and bench.stops == 0


def test_actions_move_the_arm_by_their_sum(bench):
    start_m = bench.position_m
    bench.run([(0.012, 0.0, -0.006)] * 8)
    assert bench.state is State.RUNNING
    bench.tick(40)
    assert bench.state is State.HOLD
    np.testing.assert_allclose(bench.position_m - start_m, [0.096, 0.0, -0.048], atol=0.001)
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3] - start_m, [0.096, 0.0, -0.048], atol=1e-9
    )


def test_rotations_add_up_about_base_axes(bench):
    R_start = bench.arm.read_state().T_base_ee[:3, :3]
    for _ in range(4):
        bench.act(rotation_rad=(0.0, 0.0, 0.09))
        bench.tick(5)
    bench.tick(40)
    turn = rotation_vector(bench.arm.read_state().T_base_ee[:3, :3] @ R_start.T)
    np.testing.assert_allclose(turn, [0.0, 0.0, 0.36], atol=0.004)


def test_a_steady_stream_of_actions_is_a_steady_speed(bench):
    bench.run([(0.03, 0.0, 0.0)] * 8)
    np.testing.assert_allclose(bench.speeds[20:], 0.3, rtol=0.02)
    assert max(bench.speeds) <= SafetyLimits().max_speed_m_s + 1e-9


def test_the_sequence_is_acknowledged_also_when_refused(bench):
    bench.act((0.012, 0, 0))
    assert bench.executor.last_sequence == 1
    bench.act(translation_m=(0.012, 0, 0), action_spec_id="other")
    assert bench.executor.last_sequence == 2
    assert bench.executor.num_safety_events == 1
    assert "action_spec" in bench.executor.detail


def test_a_number_that_leaps_is_not_acknowledged(bench):
    bench.act()
    (record,) = bench.act(sequence=2**40)
    # whoever goes on from the acknowledged number must not go on from this one
    assert record.name == "sequence" and bench.executor.last_sequence == 1
    assert bench.act(sequence=2) == ()


def test_without_actions_the_arm_holds_and_keeps_its_target(bench):
    bench.run([(0.012, 0, 0)] * 3)
    target = bench.executor.T_base_target
    bench.tick(9)
    assert bench.state is State.RUNNING
    bench.tick(30)
    assert bench.state is State.HOLD
    assert bench.stops == 1
    np.testing.assert_array_equal(bench.executor.T_base_target, target)
    bench.act((0.012, 0, 0))
    assert bench.state is State.RUNNING
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], target[:3, 3] + np.array([0.012, 0.0, 0.0]), atol=1e-12
    )


def test_a_gap_is_measured_in_robot_time_only(bench):
    bench.act((0.012, 0, 0))
    for _ in range(100):
        bench.executor.step(bench.arm.read_state())
    assert bench.state is State.RUNNING


def test_a_refused_action_brings_the_arm_to_rest_and_moves_nothing(bench):
    bench.run([(0.02, 0, 0)] * 2)
    bench.act((0.02, 0, 0))
    bench.tick(1)
    records = bench.act(translation_m=(0, 0, 0), action_spec_id="other")
    assert [r.name for r in records] == ["action_spec"]
    assert bench.state is State.HOLD
    bench.tick(1)
    assert bench.stops == 1
    rest_m = bench.position_m
    bench.tick(20)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    # what was left of the earlier action is dropped
    bench.act((0, 0, 0))
    np.testing.assert_allclose(bench.executor.T_base_target[:3, 3], rest_m, atol=1e-12)


def test_homing_ends_idle_and_starts_from_the_measured_pose(bench):
    bench.run([(0.02, 0, -0.01)] * 3, closed=True)
    assert bench.executor.begin_homing().success
    assert bench.state is State.HOMING
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert not bench.executor.begin_homing().success
    bench.tick(1)
    assert bench.grips == [True, False]
    assert bench.arm.move_to_joints(CELL.home_joints_rad, 0.5)
    bench.executor.step(bench.arm.read_state())
    assert bench.executor.end_homing(True).success
    assert bench.state is State.IDLE
    home_m = bench.position_m
    bench.act((0.0, 0.0, 0.012))
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], home_m + np.array([0.0, 0.0, 0.012]), atol=1e-9
    )


def test_homing_can_be_stopped_and_given_up(bench):
    bench.executor.begin_homing()
    bench.executor.stop("test")
    outcome = bench.executor.end_homing(False, "stopped")
    assert not outcome.success and "stopped" in outcome.message
    assert bench.state is State.STOPPED
    assert not bench.executor.begin_homing().success
    bench.executor.resume()
    bench.executor.begin_homing()
    assert not bench.executor.end_homing(False, "blocked").success
    assert bench.state is State.IDLE
    assert "blocked" in bench.executor.detail


def test_the_gripper_hears_changes_only(bench):
    bench.run([(0, 0, 0)] * 3)
    bench.run([(0, 0, 0)] * 3, closed=True)
    bench.run([(0, 0, 0)] * 2)
    assert bench.grips == [False, True, False]


def test_a_late_caller_slows_the_arm_down_but_never_hurries_it(bench):
    start_m = bench.position_m
    bench.run([(0.02, 0, 0)] * 2)
    bench.clock.wait(0.25)
    bench.tick(1)
    assert max(bench.speeds) <= SafetyLimits().max_speed_m_s + 1e-9
    bench.tick(40)
    assert np.max(bench.position_m[0]) <= start_m[0] + 0.04 + 1e-3


def test_a_burst_of_actions_is_worked_off_at_limited_speed(bench):
    names = {r.name for _ in range(3) for r in bench.act((0.03, 0, 0))}
    assert names == {"lead", "speed"}
    bench.tick(60)
    assert max(bench.speeds) <= SafetyLimits().max_speed_m_s + 1e-9


def test_unusable_control_behaviour_is_refused():
    with pytest.raises(ConfigurationError, match="command period"):
        ExecutorConfig(command_period_s=0.2)
    with pytest.raises(ConfigurationError, match="gap_periods"):
        ExecutorConfig(gap_periods=0.5)

"""Stop, faults, recovery, lost connections and joints that are blocked, on an arm in memory."""

import dataclasses

import numpy as np
import pytest
from executor_bench import Bench

from spatialbot_ros.executor_types import State
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.safety_records import Severity


@pytest.fixture
def bench():
    return Bench().connect()


def test_stop_latches_until_resume(bench):
    bench.run([(0.02, 0, 0)] * 3)
    assert bench.executor.stop("test").success
    assert bench.state is State.STOPPED
    bench.tick(1)
    rest_m = bench.position_m
    for _ in range(5):
        assert bench.act((0.02, 0, 0))[0].name == "not_ready"
        bench.tick(5)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    assert bench.executor.resume().success
    assert bench.state is State.IDLE
    bench.tick(5)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    bench.act((0.012, 0, 0))
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], rest_m + np.array([0.012, 0.0, 0.0]), atol=1e-12
    )


@pytest.mark.parametrize("state", ["idle", "running", "hold", "homing", "fault", "disconnected"])
def test_stop_wins_in_every_state(bench, state):
    executor = bench.executor
    if state in ("running", "hold"):
        bench.act((0.012, 0, 0))
    if state == "hold":
        bench.tick(60)
    if state == "homing":
        executor.begin_homing()
    if state == "fault":
        executor.fault("test")
    if state == "disconnected":
        executor.disconnected("test")
    assert executor.state.value == state
    assert executor.stop("test").success
    if state == "disconnected":
        executor.connected(bench.arm.read_state())
    if state == "fault":
        executor.recovered(bench.arm.read_state())
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert bench.state is State.STOPPED
    assert bench.tick().dq_rad_s is None


def test_a_fault_needs_recover_then_resume(bench):
    bench.run([(0.012, 0, 0)] * 2)
    bench.arm.trip_reflex()
    command = bench.tick(1)
    assert bench.state is State.FAULT
    assert [r.name for r in command.records] == ["fault"]
    assert command.records[0].severity is Severity.FAULT
    assert bench.tick(5).records == ()
    assert bench.executor.num_faults == 1
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert not bench.executor.resume().success
    assert not bench.executor.recovered(bench.arm.read_state()).success
    bench.arm.recover()
    assert bench.executor.recovered(bench.arm.read_state()).success
    assert bench.state is State.STOPPED
    assert bench.executor.resume().success
    assert bench.state is State.IDLE
    bench.tick(1)
    assert bench.state is State.IDLE


def test_one_interrupted_motion_is_an_event_and_the_target_is_reached(bench):
    bench.act((0.03, 0, 0))
    bench.tick()
    bench.executor.interrupted("Motion planner failed with error code -110")
    command = bench.tick()
    assert [(r.name, r.source) for r in command.records] == [("motion_interrupted", "robot")]
    assert bench.executor.state is State.RUNNING
    bench.tick(40)
    error_m = bench.executor.T_base_target[:3, 3] - bench.arm.read_state().T_base_ee[:3, 3]
    assert np.linalg.norm(error_m) < 0.002
    assert bench.executor.num_faults == 0


def test_motions_interrupted_again_and_again_are_a_fault(bench):
    bench.act((0.03, 0, 0))
    bench.tick()
    bench.executor.interrupted("once")
    bench.tick()
    bench.executor.interrupted("twice")
    bench.tick()
    assert bench.executor.state is State.FAULT
    assert bench.executor.num_faults == 1


def test_an_engaged_user_stop_is_a_fault(bench):
    state = dataclasses.replace(bench.arm.read_state(), mode=ArmMode.USER_STOPPED)
    bench.executor.step(state)
    assert bench.state is State.FAULT
    assert "user stop" in bench.executor.detail


def test_after_a_lost_connection_nobody_moves_before_resume(bench):
    bench.run([(0.012, 0, 0)] * 2)
    bench.executor.disconnected("cable")
    assert bench.state is State.DISCONNECTED
    assert not bench.executor.resume().success
    assert not bench.executor.begin_homing().success
    bench.executor.connected(bench.arm.read_state())
    assert bench.state is State.STOPPED
    assert bench.executor.resume().success


def test_a_stop_drops_a_gripper_wish_that_was_not_sent(bench):
    bench.run([(0, 0, 0)])
    bench.act(closed=True)
    bench.executor.stop("test")
    bench.tick(3)
    assert bench.grips == [False]
    bench.executor.resume()
    bench.run([(0, 0, 0)], closed=True)
    assert bench.grips == [False, True]


def test_recovery_is_a_state_of_its_own_and_may_fail(bench):
    executor = bench.executor
    assert not executor.begin_recovery().success
    bench.arm.trip_reflex()
    bench.tick()
    assert executor.begin_recovery().success
    assert bench.state is State.RECOVERING
    assert not executor.begin_recovery().success
    assert not executor.resume().success
    assert bench.act((0.012, 0, 0))[0].name == "not_ready"
    assert not executor.recovery_failed("errors persist").success
    assert bench.state is State.FAULT
    executor.begin_recovery()
    executor.disconnected("cable")
    assert bench.state is State.DISCONNECTED


def test_after_a_recovery_the_target_is_where_the_arm_was_left(bench):
    bench.run([(0.02, 0, 0)] * 3)
    bench.arm.trip_reflex()
    bench.tick()
    bench.executor.begin_recovery()
    bench.arm.recover()
    assert bench.executor.recovered(bench.arm.read_state()).success
    assert bench.state is State.STOPPED
    np.testing.assert_array_equal(bench.executor.T_base_target, bench.arm.read_state().T_base_ee)
    assert bench.tick(20).dq_rad_s is None
    bench.executor.resume()
    assert bench.tick(20).dq_rad_s is None


def test_an_executor_that_did_not_run_for_a_while_holds(bench):
    bench.run([(0.02, 0, 0)] * 2)
    bench.act((0.02, 0, 0))
    bench.clock.wait(0.6)
    command = bench.tick()
    assert [r.name for r in command.records] == ["heartbeat"]
    assert command.dq_rad_s is None and command.stop
    assert bench.state is State.HOLD
    bench.act((0.012, 0, 0))
    assert bench.state is State.RUNNING


def test_a_joint_that_is_blocked_is_told_and_the_arm_holds_where_it_is(bench):
    bench.run([(0.03, 0, 0)] * 3)
    bench.arm.block_joints(4)
    bench.act((0.03, 0, 0))
    records = []
    for passed in range(10):
        command = bench.tick()
        records += command.records
        if bench.state is State.HOLD:
            break
        if not passed % 5:
            bench.act((0.03, 0, 0))
    (record,) = [r for r in records if r.name == "joint_blocked"]
    assert "joint 4 " in record.detail and record.severity is Severity.CLAMPED
    assert record.given == (0.0,) and abs(record.asked[0]) > 0.1
    assert command.stop and command.dq_rad_s is None
    # 0.1 s, and the state before
    assert passed <= 7
    rest_m = bench.position_m
    np.testing.assert_allclose(bench.executor.T_base_target[:3, 3], rest_m, atol=1e-12)
    bench.tick(20)
    np.testing.assert_array_equal(bench.position_m, rest_m)
    bench.arm.block_joints()
    bench.act((0.012, 0, 0))
    assert bench.state is State.RUNNING
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], rest_m + np.array([0.012, 0.0, 0.0]), atol=1e-12
    )


def test_homing_is_given_up_when_a_joint_is_blocked(bench):
    bench.executor.begin_homing()
    bench.block()
    assert bench.state is State.HOLD
    outcome = bench.executor.end_homing(False, bench.executor.detail)
    assert not outcome.success and "does not follow its command" in outcome.message

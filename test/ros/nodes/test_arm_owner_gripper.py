"""The owner of the arm and its gripper: wishes withdrawn by a stop, commands that fail."""

import pytest
from owner_bench import owner_bench
from robot_process import wait_until
from slow_gripper import SlowGripper

from spatialbot_model.contracts.errors import RobotReflexError
from spatialbot_ros.executor_types import State
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.robots.franky_arm import FrankyArm, FrankyConfig
from spatialbot_ros.robots.gripper_worker import GripperWorker
from spatialbot_ros.safety_records import Severity


@pytest.fixture
def bench():
    with owner_bench() as bench:
        yield bench


@pytest.fixture
def hand(bench, monkeypatch):
    """A hand that is busy until the test says so: franky's side of it, on the bench's arm."""
    device = SlowGripper()
    worker = GripperWorker(device, poll_s=0.001)
    franky = FrankyArm(FrankyConfig("unused"))
    franky._robot, franky._gripper = object(), worker
    for name in ("command_gripper", "withdraw_gripper", "take_gripper_failure"):
        monkeypatch.setattr(bench.arm, name, getattr(franky, name))
    worker.start()
    yield device
    device.done.set()
    worker.close()


@pytest.mark.parametrize("why", ["stop", "reflex"])
def test_a_stop_withdraws_what_the_busy_hand_was_asked_for(bench, hand, why):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.act((0, 0, 0), closed=True)
    wait_until(lambda: hand.started == [True])
    bench.act((0, 0, 0), closed=False)
    # sent in the cycle that tells of it
    told = len(bench.listener.states)
    wait_until(lambda: bench.executor.last_sequence == 2)
    wait_until(lambda: len(bench.listener.states) > told + 2)
    if why == "stop":
        assert bench.owner.ask(Wish.STOP, 20.0).success
    else:
        bench.arm.trip_reflex()
        bench.wait_for(State.FAULT)
        told = len(bench.listener.states)
        wait_until(lambda: len(bench.listener.states) > told + 1)
        assert bench.owner.ask(Wish.RECOVER, 20.0).success
    hand.done.set()
    assert hand.ended.wait(20)
    assert bench.owner.ask(Wish.RESUME, 20.0).success
    # nothing was opened by the stop; the next action that wants it open is heard
    bench.act((0, 0, 0), closed=True)
    wait_until(lambda: bench.executor.last_sequence == 3)
    assert hand.started == [True]
    bench.act((0, 0, 0), closed=False)
    wait_until(lambda: hand.started == [True, False])


def test_a_wish_that_was_withdrawn_is_sent_again_after_the_stop(bench, hand):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.act((0, 0, 0), closed=True)
    wait_until(lambda: hand.started == [True])
    bench.act((0, 0, 0), closed=False)
    wait_until(lambda: bench.executor.last_sequence == 2)
    assert bench.owner.ask(Wish.STOP, 20.0).success
    assert bench.owner.ask(Wish.RESUME, 20.0).success
    hand.done.set()
    bench.act((0, 0, 0), closed=False)
    wait_until(lambda: hand.started == [True, False])


def test_a_gripper_that_fails_is_told_by_name_and_the_arm_goes_on(bench, hand):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.act((0, 0, 0), closed=True)
    wait_until(lambda: hand.started == [True])
    hand.failure = RobotReflexError("the robot refused while moving the gripper: overheated")
    # nobody has to ask the gripper for something else
    (record,) = wait_until(lambda: bench.listener.records)
    assert (record.name, record.severity) == ("gripper_failed", Severity.NOTE)
    assert record.source == "gripper" and "overheated" in record.detail
    assert bench.executor.state is not State.FAULT and not bench.listener.losses
    bench.act((0.012, 0, 0), closed=True)
    wait_until(lambda: bench.executor.last_sequence == 2)
    assert len(bench.listener.records) == 1

"""The gripper's mailbox: the latest wish wins, nothing is done twice, failures are told."""

import pytest
from robot_process import wait_until
from slow_gripper import SlowGripper

from spatialbot_model.contracts.errors import RobotConnectionError, RobotError, RobotReflexError
from spatialbot_ros.robots.gripper_worker import GripperWorker


@pytest.fixture
def device():
    return SlowGripper()


@pytest.fixture
def worker(device):
    worker = GripperWorker(device, poll_s=0.001)
    worker.start()
    yield worker
    device.done.set()
    worker.close()
    assert device.closed.is_set()


def test_only_the_latest_wish_is_carried_out(worker, device):
    worker.command(True)
    wait_until(lambda: device.started == [True])
    for closed in (False, True, False):
        worker.command(closed)
    device.done.set()
    wait_until(lambda: device.started == [True, False])


def test_a_wish_that_is_already_true_is_not_repeated(worker, device):
    worker.command(True)
    wait_until(lambda: device.started == [True])
    device.done.set()
    worker.command(True)
    worker.command(True)
    worker.command(False)
    wait_until(lambda: device.started == [True, False])


def test_a_wish_that_waits_is_withdrawn_and_what_is_under_way_ends(worker, device):
    worker.command(True)
    wait_until(lambda: device.started == [True])
    worker.command(False)
    worker.withdraw()
    device.done.set()
    wait_until(device.ended.is_set)
    worker.command(True)
    worker.command(False)
    wait_until(lambda: device.started == [True, False])


def test_the_width_is_read_while_a_command_runs(worker, device):
    worker.command(True)
    wait_until(lambda: worker.width_m() == pytest.approx(0.01))
    assert not device.done.is_set()


def test_a_failed_command_is_told_once_and_may_be_repeated(worker, device):
    worker.command(True)
    wait_until(lambda: device.started == [True])
    device.failure = RobotReflexError("grasp failed")
    assert isinstance(wait_until(worker.take_failure), RobotReflexError)
    assert worker.take_failure() is None
    worker.command(True)
    wait_until(lambda: device.started == [True, True])


def test_a_width_that_cannot_be_read_is_told_once_for_each_command(worker, device):
    device.lost = RobotError("nothing measured")
    assert wait_until(worker.take_failure) is device.lost
    device.reads.clear()
    wait_until(lambda: len(device.reads) > 3)
    assert worker.take_failure() is None
    worker.command(True)
    assert wait_until(worker.take_failure) is device.lost


def test_a_lost_gripper_is_a_lost_connection(worker, device):
    device.lost = RobotConnectionError("cable")

    def lost():
        try:
            worker.width_m()
        except RobotConnectionError:
            return True
        return False

    wait_until(lost)


def test_an_error_that_nobody_foresaw_is_a_lost_gripper(worker, device):
    device.lost = ZeroDivisionError("a bug")
    assert device.closed.wait(20)

    def lost():
        try:
            worker.width_m()
        except RobotConnectionError as error:
            return str(error)
        return ""

    assert "ZeroDivisionError: a bug" in wait_until(lost)


def test_a_gripper_that_does_not_answer_at_the_start_raises():
    device = SlowGripper()
    device.lost = RobotConnectionError("cable")
    with pytest.raises(RobotConnectionError):
        GripperWorker(device).start()

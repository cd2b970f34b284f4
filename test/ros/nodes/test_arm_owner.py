"""The thread that owns the arm: reconnecting, ending, and errors nobody foresaw."""

import threading

import numpy as np
import pytest
from owner_bench import CELL, Bench, owner_bench
from robot_process import wait_until

from spatialbot_model.contracts.errors import RobotConnectionError
from spatialbot_ros.executor_types import State
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.safety_limits import KeepOutBox

AWAY_RAD = CELL.home_joints_rad + np.array([1.5, 0, 0, 0, 0, 0, 0])


@pytest.fixture
def bench():
    with owner_bench() as bench:
        yield bench


def test_it_connects_and_follows(bench):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.act((0.012, 0, 0))
    wait_until(lambda: bench.executor.last_sequence == 1)
    bench.wait_for(State.HOLD)
    assert bench.listener.records == []


def test_a_lost_connection_is_told_and_found_again(bench):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.arm.drop_connection()
    bench.wait_for(State.STOPPED)
    assert State.DISCONNECTED in bench.listener.states
    assert len(bench.listener.losses) == 1
    assert bench.owner.ask(Wish.RESUME, 5.0).success


def test_wishes_are_answered_without_a_robot(bench, monkeypatch):
    def refuse():
        raise RobotConnectionError("nobody at 10.0.0.9:1337")

    monkeypatch.setattr(bench.arm, "connect", refuse)
    bench.owner.start()
    for wish in (Wish.HOME, Wish.RECOVER, Wish.RESUME):
        answer = bench.owner.ask(wish, 10.0)
        assert not answer.success and "10.0.0.9" in answer.message
    assert bench.owner.ask(Wish.STOP, 10.0).success
    bench.act((0.012, 0, 0))
    wait_until(lambda: bench.listener.records)
    assert bench.listener.records[0].name == "not_ready"
    assert bench.executor.last_sequence == 1


def test_an_unforeseen_error_stops_the_arm_and_is_told(bench, monkeypatch):
    bench.owner.start()
    bench.wait_for(State.IDLE)

    def fail(*_):
        monkeypatch.undo()
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(bench.arm, "stream_joints", fail)
    bench.act((0.012, 0, 0))
    wait_until(lambda: bench.listener.losses)
    assert "ZeroDivisionError: a bug" in bench.listener.losses[0]
    bench.wait_for(State.STOPPED)


def test_a_fault_while_homing_ends_it(monkeypatch):
    bench = Bench(AWAY_RAD)
    bench.owner.start()
    bench.wait_for(State.IDLE)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(bench.owner.ask(Wish.HOME, 20.0)))
    asking.start()
    bench.wait_for(State.HOMING)
    bench.arm.trip_reflex()
    asking.join(20)
    assert not answers[0].success
    assert bench.executor.state is State.FAULT
    assert bench.owner.ask(Wish.RECOVER, 5.0).success
    assert bench.owner.ask(Wish.RESUME, 5.0).success
    assert bench.owner.close()


POST = KeepOutBox("post", (0.22, 0.2, 0.1), (0.3, 0.26, 0.5))


def test_home_is_refused_while_something_is_in_the_way():
    bench = Bench(AWAY_RAD, (POST,))
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.act((0, 0, 0), closed=True)
    wait_until(lambda: bench.arm.read_state().gripper_width_m < 0.01)
    answer = bench.owner.ask(Wish.HOME, 20.0)
    assert not answer.success
    assert "of post" in answer.message and "teleop" in answer.message
    assert State.HOMING not in bench.listener.states
    np.testing.assert_array_equal(bench.arm.read_state().q_rad, CELL.home_joints_rad)
    assert bench.arm.read_state().gripper_width_m < 0.01
    assert bench.owner.close()


def test_the_way_home_is_looked_at_again_where_the_arm_came_to_rest(monkeypatch):
    bench = Bench(AWAY_RAD)
    problems = iter(["", "hand would come within 3 mm of post"])
    monkeypatch.setattr(bench.executor, "way_problem", lambda _: next(problems))
    bench.owner.start()
    bench.wait_for(State.IDLE)
    answer = bench.owner.ask(Wish.HOME, 20.0)
    assert not answer.success and "of post" in answer.message and "teleop" in answer.message
    bench.wait_for(State.IDLE)
    np.testing.assert_array_equal(bench.arm.read_state().q_rad, CELL.home_joints_rad)
    assert bench.owner.close()


def test_ending_while_homing_gives_up_and_answers():
    bench = Bench(AWAY_RAD)
    bench.owner.start()
    bench.wait_for(State.IDLE)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(bench.owner.ask(Wish.HOME, 20.0)))
    asking.start()
    bench.wait_for(State.HOMING)
    assert bench.owner.close()
    asking.join(20)
    assert not answers[0].success


def test_stop_overtakes_waiting_actions(bench):
    for _ in range(5):
        bench.act((0.03, 0, 0))
    stopping = threading.Thread(target=lambda: bench.owner.ask(Wish.STOP, 20.0))
    stopping.start()
    wait_until(lambda: len(bench.owner._mailbox) == 6)
    bench.owner.start()
    stopping.join(20)
    wait_until(lambda: len(bench.listener.records) == 5)
    assert {record.name for record in bench.listener.records} == {"not_ready"}
    np.testing.assert_array_equal(bench.arm.read_state().q_rad, CELL.home_joints_rad)


def test_a_flood_of_actions_drops_the_oldest(bench):
    for _ in range(150):
        bench.act((0, 0, 0))
    assert len(bench.owner._mailbox) == 100
    bench.owner.start()
    wait_until(lambda: bench.executor.last_sequence == 150)


class Gate:
    """Test double of a method that waits to be let through."""

    def __init__(self, method):
        self._method = method
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, *args):
        self.reached.set()
        assert self.opened.wait(20.0)
        return self._method(*args)


def ask_in_background(bench, wish, timeout_s=20.0):
    answers = []
    num_waiting = len(bench.owner._mailbox)
    asking = threading.Thread(target=lambda: answers.append(bench.owner.ask(wish, timeout_s)))
    asking.start()
    wait_until(lambda: len(bench.owner._mailbox) > num_waiting)
    return asking, answers


def test_a_stop_is_not_undone_by_a_resume_from_before_it(bench):
    bench.executor.stop("test")
    resuming, resumed = ask_in_background(bench, Wish.RESUME)
    homing, homed = ask_in_background(bench, Wish.HOME)
    bench.owner.stop("the later one")
    for thread, answers in ((resuming, resumed), (homing, homed)):
        thread.join(20)
        assert not answers[0].success and "overtaken by a stop" in answers[0].message
    bench.owner.start()
    bench.wait_for(State.STOPPED)
    assert bench.owner.ask(Wish.RECOVER, 5.0).success
    assert bench.executor.state is State.STOPPED
    assert State.HOMING not in bench.listener.states


def test_a_resume_of_a_lost_connection_does_not_release_the_next_one(bench, monkeypatch):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    gate = Gate(bench.arm.connect)
    monkeypatch.setattr(bench.arm, "connect", gate)
    bench.arm.drop_connection()
    assert gate.reached.wait(20)
    asking, answers = ask_in_background(bench, Wish.RESUME)
    gate.opened.set()
    asking.join(20)
    assert not answers[0].success and "no robot" in answers[0].message
    bench.wait_for(State.STOPPED)
    assert bench.owner.ask(Wish.RESUME, 5.0).success


@pytest.mark.parametrize(("wish", "is_kept"), [(Wish.HOME, False), (Wish.STOP, True)])
def test_what_was_said_to_have_failed_is_not_done_later_except_a_stop(
    bench, wish, is_kept, monkeypatch
):
    begun = []
    monkeypatch.setattr(bench.owner, "_home", begun.append)
    answer = bench.owner.ask(wish, 0.01)
    assert not answer.success and wish.value in answer.message
    bench.owner.start()
    bench.wait_for(State.STOPPED if is_kept else State.IDLE)
    assert bench.owner.ask(Wish.RECOVER, 5.0).success
    assert begun == []


def test_a_flood_that_does_not_end_does_not_keep_the_arm_from_its_stop(bench, monkeypatch):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    apply = bench.executor.apply
    flooding = threading.Event()
    flooding.set()
    told = []

    def apply_and_be_flooded(request, now_ns):
        if flooding.is_set():
            # another one is there before this one is judged
            bench.act((0, 0, 0))
        return apply(request, now_ns)

    monkeypatch.setattr(bench.executor, "apply", apply_and_be_flooded)
    stop = bench.arm.stop
    monkeypatch.setattr(bench.arm, "stop", lambda *args: (told.append(args), stop(*args)))
    bench.act((0, 0, 0))
    wait_until(lambda: bench.executor.last_sequence > 3)
    bench.owner.stop("test")
    try:
        wait_until(lambda: told)
        bench.wait_for(State.STOPPED)
    finally:
        flooding.clear()


def test_a_listener_that_fails_ends_neither_the_thread_nor_the_stop(bench, monkeypatch):
    failures = []

    def fail(*_):
        failures.append(bench.executor.state)
        raise RuntimeError("cannot publish")

    for name in ("on_state", "on_disconnected"):
        monkeypatch.setattr(bench.listener, name, fail)
    bench.owner.start()
    wait_until(lambda: len(failures) > 8)
    monkeypatch.undo()
    bench.wait_for(State.STOPPED)
    assert bench.owner.ask(Wish.RESUME, 5.0).success


def test_a_recovery_that_loses_the_robot_is_answered(bench, monkeypatch):
    bench.owner.start()
    bench.wait_for(State.IDLE)
    bench.arm.trip_reflex()
    bench.wait_for(State.FAULT)

    def lose():
        raise RobotConnectionError("gone")

    monkeypatch.setattr(bench.arm, "recover", lose)
    answer = bench.owner.ask(Wish.RECOVER, 20.0)
    assert not answer.success and "gone" in answer.message

"""The thread that owns the arm: reconnecting, ending, and errors nobody foresaw."""

import threading

import numpy as np
import pytest
from robot_process import wait_until

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import RobotConnectionError
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.nodes.arm_owner import ArmOwner, OwnerConfig, Wish
from spatialbot_ros.robots.memory_arm import MemoryArm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest

CELL = load_cell()
SPEC = ActionSpec()
AWAY_RAD = CELL.home_joints_rad + np.array([1.5, 0, 0, 0, 0, 0, 0])


class Listener:
    """Test double: remembers what it heard."""

    def __init__(self):
        self.states, self.records, self.losses = [], [], []

    def on_state(self, executor):
        self.states.append(executor.state)

    def on_records(self, records):
        self.records += records

    def on_disconnected(self, reason):
        self.losses.append(reason)

    def now_ns(self):
        return 1_000_000_000


class Bench:
    def __init__(self, home_rad=CELL.home_joints_rad):
        self.arm = MemoryArm(CELL.home_joints_rad)
        limits = SafetyLimits()
        envelope = SafetyEnvelope(limits, CELL.workspace_min_m, CELL.workspace_max_m, SPEC)
        self.executor = Executor(ExecutorConfig(response_lag_s=0.0), envelope)
        self.listener = Listener()
        config = OwnerConfig(0.02, home_rad, home_speed_factor=0.3)
        self.owner = ArmOwner(self.arm, self.executor, config, self.listener)
        self.sequence = 0

    def act(self, translation_m):
        self.sequence += 1
        action = DeltaAction.from_values(translation_m, (0, 0, 0), False, SPEC)
        self.owner.submit(ActionRequest.from_action(action, self.sequence, 1_000_000_000))

    def wait_for(self, state):
        wait_until(lambda: self.executor.state is state)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    assert bench.owner.close()
    assert "arm-owner" not in {thread.name for thread in threading.enumerate()}


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

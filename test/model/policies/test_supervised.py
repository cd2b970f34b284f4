"""A policy in a thread of its own: one that hangs holds up nobody."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from policy_doubles import make_frame, observe

from spatialbot_model.contracts.errors import (
    PolicyCancelledError,
    PolicyError,
    PolicyTimeoutError,
    SpatialBotError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.supervised import Patience, SupervisedPolicy

WAIT_S = 20.0
OBSERVATION = observe([make_frame(0)])
HASTY = Patience(step_s=0.05, start_s=WAIT_S, close_s=0.05)
PATIENT = Patience(step_s=WAIT_S, start_s=WAIT_S, close_s=WAIT_S)


@dataclass
class HangingPolicy:
    """Test double: a step waits for the gate; closing opens it only when it can be interrupted."""

    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    can_be_interrupted: bool = False
    resumes_from_frames: bool = True
    threads: set[str] = field(default_factory=set)
    places: list[float] = field(default_factory=list)

    def start(self, instruction: str) -> None:
        self.threads.add(threading.current_thread().name)
        if instruction == "hang":
            self.gate.wait()
        if not instruction:
            raise PolicyError("say something")

    def step(self, observation: Observation) -> PolicyStep:
        self.threads.add(threading.current_thread().name)
        self.asked.set()
        self.gate.wait()
        if self.closed.is_set():
            raise PolicyCancelledError("closed")
        return PolicyStep("answer", observation.newest.stamp_ns)

    def close(self) -> None:
        self.closed.set()
        if self.can_be_interrupted:
            self.gate.set()


Made = list[HangingPolicy]


@pytest.fixture
def made() -> Iterator[Made]:
    """Policies that were made; all are let go at the end."""
    policies: Made = []
    yield policies
    for policy in policies:
        policy.gate.set()
    wait_for(lambda: not policy_threads())


def policy_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name in ("policy", "policy-close")]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.002)


def supervise(made: Made, patience: Patience, **options: bool) -> SupervisedPolicy:
    def make() -> HangingPolicy:
        made.append(HangingPolicy(**options))
        return made[-1]

    policy = SupervisedPolicy(make, patience)
    policy.open()
    return policy


def test_it_answers_as_the_policy_does_from_one_thread(made: Made) -> None:
    policy = supervise(made, PATIENT)
    made[0].gate.set()
    policy.start("go")
    for _ in range(3):
        assert policy.step(OBSERVATION).text == "answer"
    assert policy.num_late_answers == 0
    with pytest.raises(PolicyError, match="say something"):
        policy.start("")
    policy.start("go")
    policy.close()
    policy.close()
    assert made[0].threads == {"policy"} and made[0].closed.is_set()
    assert not policy_threads() and policy.num_left_behind == 0
    for call in (lambda: policy.step(OBSERVATION), lambda: policy.start("go"), policy.open):
        with pytest.raises(PolicyCancelledError, match="closed"):
            call()


def test_what_making_it_raises_is_raised() -> None:
    def make() -> HangingPolicy:
        raise PolicyError("no weights")

    policy = SupervisedPolicy(make, PATIENT)
    with pytest.raises(PolicyError, match="no weights"):
        policy.open()
    policy.close()
    assert not policy_threads()


def test_a_late_answer_is_dropped_and_the_next_one_is_used(made: Made) -> None:
    policy = supervise(made, HASTY)
    policy.start("go")
    with pytest.raises(PolicyTimeoutError, match=r"has not answered within 0\.05 s"):
        policy.step(OBSERVATION)
    with pytest.raises(PolicyTimeoutError, match="still busy"):
        policy.step(OBSERVATION)
    made[0].gate.set()
    wait_for(lambda: made[0].threads == {"policy"})
    newer = observe([make_frame(1)])

    def answered() -> bool:
        try:
            return policy.step(newer).observation_stamp_ns == newer.newest.stamp_ns
        except PolicyTimeoutError:
            return False

    wait_for(answered)
    assert policy.num_late_answers >= 1
    assert len(made) == 1
    policy.close()


def test_whoever_waits_can_give_up(made: Made) -> None:
    policy = supervise(made, PATIENT)

    def check() -> None:
        if made[0].asked.is_set():
            raise SpatialBotError("cancelled")

    policy.start("go")
    with pytest.raises(SpatialBotError, match="cancelled"):
        policy.step(OBSERVATION, check)
    made[0].gate.set()
    # what was given up is late, not an answer to the next question
    assert policy.step(observe([make_frame(2)])).observation_stamp_ns == make_frame(2).stamp_ns
    assert policy.num_late_answers == 1
    policy.close()


def test_a_policy_that_hangs_is_replaced_for_the_next_instruction(made: Made) -> None:
    policy = supervise(made, HASTY)
    policy.start("go")
    with pytest.raises(PolicyTimeoutError):
        policy.step(OBSERVATION)
    policy.start("go")
    assert len(made) == 2 and made[0].closed.is_set()
    assert policy.num_left_behind == 1
    made[0].gate.set()
    wait_for(lambda: policy.num_left_behind == 0)
    policy.close()


def test_an_interruptible_policy_leaves_no_thread(made: Made) -> None:
    patience = Patience(step_s=0.05, start_s=WAIT_S, close_s=WAIT_S)
    policy = supervise(made, patience, can_be_interrupted=True)
    policy.start("go")
    with pytest.raises(PolicyTimeoutError):
        policy.step(OBSERVATION)
    policy.close()
    assert not policy_threads() and policy.num_left_behind == 0


def test_closing_returns_while_a_step_hangs_in_another_thread(made: Made) -> None:
    policy = supervise(made, Patience(step_s=WAIT_S, close_s=0.05))
    policy.start("go")
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            policy.step(OBSERVATION)
        except BaseException as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert made[0].asked.wait(WAIT_S)
    policy.close()
    assert policy.num_left_behind == 1 and all(t.daemon for t in policy_threads())
    made[0].gate.set()
    asking.join(WAIT_S)
    assert not asking.is_alive() and isinstance(errors[0], PolicyCancelledError)


def test_two_that_hang_are_enough(made: Made) -> None:
    policy = supervise(made, HASTY)
    for _ in range(2):
        policy.start("go")
        with pytest.raises(PolicyTimeoutError):
            policy.step(OBSERVATION)
    with pytest.raises(PolicyError, match="restart this process"):
        policy.start("go")
    assert len(made) == 2
    made[0].gate.set()
    wait_for(lambda: policy.num_left_behind == 1)
    policy.start("go")
    assert len(made) == 3
    policy.close()


def test_a_start_that_hangs_is_given_up(made: Made) -> None:
    policy = supervise(made, Patience(step_s=0.05, start_s=0.05, close_s=0.05))
    with pytest.raises(PolicyTimeoutError, match="not begun the instruction"):
        policy.start("hang")
    policy.close()


def test_an_answer_of_another_kind_is_refused(made: Made) -> None:
    policy = supervise(made, PATIENT)
    made[0].gate.set()
    made[0].step = lambda observation: "text"  # type: ignore[assignment,method-assign]
    policy.start("go")
    with pytest.raises(PolicyError, match="answered with str"):
        policy.step(OBSERVATION)
    policy.close()


def test_what_a_policy_can_bear_is_its_own(made: Made) -> None:
    policy = supervise(made, PATIENT, resumes_from_frames=False)
    made[0].gate.set()
    assert not policy.resumes_from_frames and not policy.can_lose_answers
    made[0].relocate = lambda at_m: made[0].places.append(at_m[0])  # type: ignore[attr-defined]
    assert policy.can_lose_answers and not policy.resumes_from_frames
    policy.relocate(np.array([0.4, 0.0, 0.2]))
    assert made[0].places == [0.4]
    made[0].resumes_from_frames = True
    assert policy.resumes_from_frames
    policy.close()

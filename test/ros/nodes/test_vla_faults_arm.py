"""Faults of a policy through the real VLA node and the real executor behind it.

In a module of its own: the executor runs until it ends, and would hear other tests' actions.
"""

import time
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import numpy as np
import pytest
import yaml
from executor_client import ExecutorProcess
from spatialbot_msgs.msg import ExecutorState, SafetyEvent
from vla_surroundings import Scripted, Start, Surroundings, bins_of, text_of, wait_for

from spatialbot_model.contracts.action_codec import FINISHED_TEXT
from spatialbot_model.contracts.errors import PolicyConnectionError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.types import Observation, PolicyStep

NUM_FAULTY = 15
"""Faulty answers at 10 Hz: much longer than the executor waits for the next action."""
MAX_AGE_S = 1.0


def slow(seen: Observation) -> PolicyStep:
    """An answer after the image has become too old."""
    wait_for(lambda: time.time_ns() > seen.newest.stamp_ns + round(MAX_AGE_S * 1.05e9))
    return PolicyStep(text_of(0.01), seen.newest.stamp_ns)


class Replay:
    """Answers about the first image it has ever seen, again and again."""

    def __init__(self) -> None:
        self.first: PolicyStep | None = None

    def __call__(self, seen: Observation) -> PolicyStep:
        self.first = self.first or PolicyStep(text_of(0.01), seen.newest.stamp_ns)
        return self.first


def alternate(*texts: str) -> list[Scripted]:
    return [texts[k % len(texts)] for k in range(NUM_FAULTY)]


GOOD = [text_of(0.01)] * 3
REPLAY = Replay()
FAULTS: dict[str, list[Scripted]] = {
    "policy_slow": [slow] * 2,
    "policy_unreachable": [PolicyConnectionError("the server is gone")] * NUM_FAULTY,
    "policy_garbage": alternate("?", "", "The robot should <0.5>.", "x" * 20_000, "\0\ud7ff"),
    "policy_not_finite": ["The robot should <nan, 0.5, 0.5, 0.5, inf, 0.5, 1>."] * NUM_FAULTY,
    "policy_jump": alternate(bins_of(0), bins_of(100)),
    "policy_stamp": [REPLAY] * NUM_FAULTY,
}


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The executor node with the arm in memory, patient with a loaded machine."""
    limits = yaml.safe_load(find_resource("config/safety.yaml").read_text(encoding="utf-8"))
    safety_file = tmp_path_factory.mktemp("safety") / "safety.yaml"
    safety_file.write_text(yaml.safe_dump({**limits, "max_observation_age_s": 10.0}))
    process = ExecutorProcess(robot="memory", safety_file=safety_file)
    yield
    code, errors = process.end()
    assert code == 0 and "Traceback" not in errors


def x_of(state: ExecutorState) -> float:
    return float(state.measured.position.x)


@pytest.mark.parametrize("name", FAULTS)
def test_the_arm_holds_during_a_fault_and_goes_on_after_it(
    name: str, executor: None, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    REPLAY.first = None
    monkeypatch.setattr(Surroundings, "is_executor", False)
    before: list[Scripted] = [*GOOD[:-1], REPLAY if name == "policy_stamp" else GOOD[-1]]
    lab = start(
        [*before, *FAULTS[name], *GOOD, FINISHED_TEXT],
        max_answer_age_s=MAX_AGE_S if name == "policy_slow" else 60.0,
        max_malformed_answers=100,
    )
    # the first states are those of an executor that has not connected to its arm yet
    wait_for(lambda: bool(lab.states) and lab.states[-1].state != "disconnected")
    lab.states.clear()
    result = lab.execute()
    assert result.finished, result.reason
    num_faulty = len(FAULTS[name])
    # the first of the answers that alternate is no jump yet, the first good one after them is one
    assert result.num_steps == len(GOOD) * 2 - (name == "policy_jump")
    wait_for(lambda: len(lab.steps) == 2 * len(GOOD) + num_faulty + 1)
    wait_for(lambda: len(lab.actions) == result.num_steps)

    # accounted for: every answer is an action, an end, or a named event
    expected = num_faulty + (name == "policy_jump")
    wait_for(lambda: lab.event_names().count(name) == expected)
    assert Counter(lab.event_names()) == {name: expected}
    assert all(e.severity == SafetyEvent.REFUSED and e.detail for e in lab.events)
    assert lab.event_names("executor") == []
    without = [step for step in lab.steps if not step.sequence and not step.finished]
    assert len(without) == expected
    prefix = "late: " if name == "policy_slow" else f"hold, {name}: "
    assert all(step.stage.startswith(prefix) for step in without)

    # the arm came to rest in between, stayed there, and moved again without anybody's help
    def phases() -> list[str]:
        return [state for state, _ in groupby(state.state for state in lab.states)]

    # the states of the last actions may come later than the result
    wait_for(lambda: phases().count("running") >= 2 and phases()[-1] == "hold")
    spans = [(name, list(span)) for name, span in groupby(lab.states, lambda s: s.state)]
    running = [k for k, (name, _) in enumerate(spans) if name == "running"]
    between = [span for name, span in spans[running[0] : running[-1]] if name == "hold"]
    # a busy machine makes short ones between good actions, too
    rest = [x_of(state) for state in max(between, key=len)[5:]]
    assert rest and np.ptp(rest) < 1e-6
    assert x_of(lab.states[-1]) > rest[0] + 0.005
    states = {state.state for state in lab.states}
    assert {"stopped", "fault", "disconnected"}.isdisjoint(states)

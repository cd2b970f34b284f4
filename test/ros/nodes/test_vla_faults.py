"""Faults of a policy through the real VLA node."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from vla_surroundings import Scripted, Start, Surroundings, bins_of, text_of, wait, wait_for

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
)
from spatialbot_model.contracts.types import Observation, PolicyStep


def answered(text: str, **changes: object) -> Callable[[Observation], PolicyStep]:
    return lambda seen: replace(PolicyStep(text, seen.newest.stamp_ns), **changes)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ([text_of(0.02 * (-1) ** k) for k in range(40)], "policy_oscillates"),
        ([text_of(0.0, closed=k % 2 == 0) for k in range(40)], "gripper_oscillates"),
        ([bins_of(100 * (k % 2)) for k in range(40)], "policy_jump"),
        ([answered(text_of(0.01), observation_stamp_ns=0)] * 40, "policy_stamp"),
    ],
)
def test_a_policy_that_does_not_stop_being_faulty_ends_its_instruction(
    texts: list[Scripted], name: str, start: Start
) -> None:
    lab = start(texts)
    result = lab.execute()
    assert not result.finished
    assert f"3 answers in a row were refused, last {name}" in result.reason
    wait_for(lambda: lab.event_names().count(name) == 3)
    wait_for(lambda: len(lab.actions) == result.num_steps)
    assert len(lab.steps) == result.num_steps + 3


@pytest.mark.parametrize(
    ("age_s", "name"), [(5.0, "stale_observation"), (-1.0, "clock_skew"), (-90.0, "clock_skew")]
)
def test_images_of_a_wrong_clock_are_not_asked_about(age_s: float, name: str, start: Start) -> None:
    lab = start([text_of(0.01)] * 50, policy_outage_s=0.3, max_answer_age_s=1.0)
    lab.image_age_s = age_s
    result = lab.execute()
    assert not result.finished and f"last {name}" in result.reason
    assert "clock" in result.reason
    assert lab.actions == [] and lab.policy.observations == []  # type: ignore[attr-defined]
    wait_for(lambda: set(lab.event_names()) == {name})


def test_a_clock_that_is_set_right_again_lets_the_instruction_go_on(start: Start) -> None:
    lab = start([text_of(0.01), FINISHED_TEXT], max_answer_age_s=1.0)
    lab.image_age_s = -1.0
    goal = lab.send().get_result_async()
    wait_for(lambda: "clock_skew" in lab.event_names())
    lab.image_age_s = 0.0
    result = wait(goal).result
    assert result.finished and result.num_steps == 1, result.reason


class Hang:
    """An answer that does not come until the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked = threading.Event()

    def __call__(self, seen: Observation) -> PolicyStep:
        self.asked.set()
        self.gate.wait(60.0)
        return PolicyStep(text_of(0.03), seen.newest.stamp_ns)


@pytest.fixture
def hang() -> Iterator[Hang]:
    hang = Hang()
    yield hang
    hang.gate.set()
    wait_for(lambda: not [t for t in threading.enumerate() if t.name.startswith("policy")])


def test_a_policy_that_hangs_ends_its_instruction_and_not_the_node(
    hang: Hang, start: Start
) -> None:
    lab = start(
        [text_of(0.01), hang], policy_timeout_s=0.05, policy_outage_s=0.5, max_answer_age_s=60.0
    )
    result = lab.execute()
    assert "the policy has been silent for" in result.reason and result.num_steps == 1
    wait_for(lambda: "policy_silent" in lab.event_names())
    assert set(lab.event_names()) == {"policy_slow", "policy_silent"}
    # another one takes its place; what the first one still says is heard by nobody
    lab.policy.texts[:] = [text_of(0.02), FINISHED_TEXT]  # type: ignore[attr-defined]
    assert lab.execute().finished
    hang.gate.set()
    wait_for(lambda: len(lab.actions) == 2)
    assert [a.translation[0] for a in lab.actions] == pytest.approx([0.01, 0.02], abs=4e-4)
    wait_for(lambda: DiagnosticStatus.WARN in {s.level for s in lab.diagnostics})
    told = _newest_diagnostics(lab)
    assert int(told["policy_silent"]) == 1 and int(told["policy_slow"]) >= 1
    assert int(told["policy faults"]) == int(told["policy_silent"]) + int(told["policy_slow"])


def test_cancelling_does_not_wait_for_a_policy_that_hangs(hang: Hang, start: Start) -> None:
    lab = start([hang], policy_timeout_s=50.0)
    handle = lab.send()
    assert hang.asked.wait(20.0)
    wait(handle.cancel_goal_async())
    assert wait(handle.get_result_async()).result.reason == "cancelled"
    assert lab.actions == []


def test_the_node_ends_while_its_policy_hangs(hang: Hang, start: Start) -> None:
    lab = start([hang], policy_timeout_s=50.0)
    lab.send()
    assert hang.asked.wait(20.0)
    # the fixture closes the node before the gate is opened; it returns, or this test never does


def test_a_policy_that_adds_up_its_motions_is_told_where_the_arm_is(start: Start) -> None:
    lab = start([text_of(0.01), "gibberish", text_of(0.01), FINISHED_TEXT])
    places: list[float] = []
    lab.policy.resumes_from_frames = False  # type: ignore[attr-defined]
    lab.policy.relocate = lambda at_m: places.append(at_m[0])  # type: ignore[attr-defined]
    assert lab.execute().finished
    assert len(places) == 1
    # the double's target is a time; the measured pose would be 0
    assert places[0] > 0.0


def test_a_policy_that_cannot_lose_an_answer_ends_its_instruction(start: Start) -> None:
    lab = start([text_of(0.01), "gibberish", text_of(0.01), FINISHED_TEXT])
    lab.policy.resumes_from_frames = False  # type: ignore[attr-defined]
    assert "cannot go on from frames alone" in lab.execute().reason
    assert len(lab.steps) == 2


def test_without_faults_the_diagnostics_say_so(start: Start) -> None:
    lab = start([text_of(0.01), FINISHED_TEXT])
    assert lab.execute().finished
    told = _newest_diagnostics(lab)
    assert {s.level for s in lab.diagnostics} == {DiagnosticStatus.OK}
    assert told["policy faults"] == "0" and told["finished"] == told["instructions"] == "1"


def _newest_diagnostics(lab: Surroundings) -> dict[str, str]:
    lab.diagnostics.clear()
    wait_for(lambda: any(status.name == "vla: policy" for status in lab.diagnostics))
    status = next(status for status in lab.diagnostics if status.name == "vla: policy")
    return {entry.key: entry.value for entry in status.values}

"""A policy drives: it sees what the environment observes, and the expert's answer is the label."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_text,
    parse_action_text,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    PolicyError,
    SpatialBotError,
    UnknownNameError,
    UnreadableInstructionError,
)
from spatialbot_model.contracts.types import PolicyStep
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_sim.collect import CollectOptions, Collector, Job
from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert_noise import NoiseOptions
from spatialbot_sim.rollout import PolicyDriver, RolloutOptions
from spatialbot_sim.takeover import TakeoverOptions

SPEC = ActionSpec()
BLIND = EnvOptions(render=False)
JOB = Job("pick_place", 0)
SOUTH = DeltaAction((50, 40, 55, 50, 50, 50, 0), SPEC)
# the policy drives the first steps, then the expert alone
FIRST_STEPS = TakeoverOptions(
    policy_share=1.0, expert_first_probability=0.0, last_policy_step=(9, 9), stretch_steps=(20, 20)
)


@dataclass
class ScriptedPolicy:
    """A test double that answers by a function of the number of the question."""

    answer: Callable[[int], str]
    seen: list = field(default_factory=list)
    instructions: list = field(default_factory=list)
    moved_to: list = field(default_factory=list)
    num_closed: int = 0

    def start(self, instruction):
        self.instructions.append(instruction)

    def step(self, observation):
        self.seen.append(observation)
        text = self.answer(len(self.seen) - 1)
        return PolicyStep(text, observation.newest.stamp_ns)

    def relocate(self, tool_position_m):
        self.moved_to.append(tool_position_m)

    def close(self):
        self.num_closed += 1


@dataclass
class ListSink:
    """A test double that keeps the last episode in memory."""

    started: list = field(default_factory=list)
    records: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    discarded: int = 0

    def finished(self, scene, variant):
        return ""

    def begin(self, start):
        self.started.append(start)
        self.records = []

    def write(self, record):
        self.records.append(record)

    def end(self, label, reason, stop_ns):
        self.labels.append(label)
        return "kept"

    def discard(self):
        self.discarded += 1


def rolled_out(cell, policy, sink=None, takeover=FIRST_STEPS, **options):
    rollout = RolloutOptions("scripted", PolicyConfig(SPEC, cell), 3, takeover)
    collect_options = CollectOptions(rollout=rollout, env=BLIND, **options)
    driver = PolicyDriver(policy, rollout)
    collector = Collector(cell, SPEC, collect_options, sink, driver)
    try:
        return collector.run(JOB)
    finally:
        collector.close()
        collector.close()


def test_what_the_policy_says_is_done_and_what_the_expert_says_is_the_label(cell) -> None:
    policy, sink = ScriptedPolicy(lambda k: format_action_text(SOUTH)), ListSink()
    result = rolled_out(cell, policy, sink)
    assert result.success and sink.labels == ["success"]
    assert sink.started[0].variant == "rollout3"
    driven, led = sink.records[:9], sink.records[9:-1]
    assert {r.source for r in driven} == {"policy"} and {r.action for r in driven} == {SOUTH}
    labels = [parse_action_text(r.text, SPEC) for r in driven]
    assert SOUTH not in labels
    assert {r.source for r in led} == {"expert"}
    assert all(parse_action_text(r.text, SPEC) == r.action for r in led)
    assert sink.records[-1].action is None and sink.records[-1].text == FINISHED_TEXT
    tally = result.tally
    assert (tally.num_policy, tally.num_holds, tally.num_compared) == (9, 0, 9)
    expected = np.abs([np.subtract(SOUTH.bins[:6], label.bins[:6]) for label in labels]).sum(axis=0)
    assert np.array_equal(tally.bins_off, expected)
    assert tally.num_gripper_off == sum(label.gripper_closed for label in labels)


def test_the_policy_sees_what_the_environment_observes(cell) -> None:
    policy, sink = ScriptedPolicy(lambda k: format_action_text(SOUTH)), ListSink()
    rolled_out(cell, policy, sink)
    assert policy.instructions == [sink.started[0].scene.instruction]
    for observation, record in zip(policy.seen, sink.records, strict=False):
        assert observation.newest is record.frame
        assert observation.instruction == policy.instructions[0]
        assert observation.robot.gripper_closed == record.robot.gripper_closed
        assert np.array_equal(observation.robot.T_base_ee, record.robot.T_base_ee)
    assert len({o.newest.stamp_ns for o in policy.seen}) == len(policy.seen) == 9
    assert policy.num_closed >= 1


def test_what_is_no_action_is_a_hold_that_is_counted(cell) -> None:
    def answer(k):
        if k == 1:
            raise PolicyError("no numbers")
        return {0: "The robot should <0.5>.", 2: FINISHED_TEXT}.get(k, format_action_text(SOUTH))

    sink = ListSink()
    result = rolled_out(cell, ScriptedPolicy(answer), sink)
    held = [record for record in sink.records if record.remark]
    assert {record.source for record in held} == {"policy"}
    assert {record.action.bins for record in held} == {(50, 50, 50, 50, 50, 50, 0)}
    words = ["unreadable", "no numbers", FINISHED_TEXT]
    assert [word in record.remark for word, record in zip(words, held, strict=True)] == [True] * 3
    tally = result.tally
    assert (tally.num_malformed, tally.num_unanswered, tally.num_early_ends) == (1, 1, 1)
    assert tally.num_holds == 3 and tally.num_compared == tally.num_policy - 3
    assert result.success


def test_a_hold_keeps_the_gripper_as_it_is(cell) -> None:
    closed = DeltaAction((50, 50, 50, 50, 50, 50, 100), SPEC)
    sink = ListSink()
    answers = [format_action_text(closed), "gibberish"]
    rolled_out(cell, ScriptedPolicy(lambda k: answers[min(k, 1)]), sink)
    assert sink.records[1].remark and sink.records[1].action == closed


def test_a_policy_that_never_answers_ends_the_collection(cell) -> None:
    def answer(k):
        raise PolicyError("the observation has no robot state")

    sink = ListSink()
    with pytest.raises(PolicyError, match=r"none of 5 questions.*no robot state"):
        rolled_out(cell, ScriptedPolicy(answer), sink, TakeoverOptions(stretch_steps=(4, 4)))
    assert sink.discarded == 1 and not sink.labels


def test_a_policy_that_fails_again_and_again_drives_less(cell) -> None:
    share = TakeoverOptions(policy_share=1.0, expert_first_probability=0.0, retry_factor=0.01)
    policy, sink = ScriptedPolicy(lambda k: format_action_text(SOUTH)), ListSink()
    result = rolled_out(cell, policy, sink, share, attempts=2, max_steps=20)
    assert (result.num_attempts, sink.discarded, result.folder) == (2, 2, "")
    assert len(policy.instructions) == 2
    assert 0 < result.tally.num_policy < 20


def test_it_is_told_where_the_arm_is_when_it_gets_it_back(cell) -> None:
    share = TakeoverOptions(
        policy_share=0.5, expert_first_probability=1.0, max_first_steps=2, stretch_steps=(3, 3)
    )
    policy, sink = ScriptedPolicy(lambda k: format_action_text(SOUTH)), ListSink()
    rolled_out(cell, policy, sink, share, attempts=1, max_steps=14)
    sources = [record.source for record in sink.records]
    begins = [k for k in range(1, 14) if sources[k - 1 : k + 1] == ["expert", "policy"]]
    assert len(begins) >= 2
    expected = [sink.records[k].robot.T_base_ee[:3, 3] for k in begins]
    assert np.array_equal(policy.moved_to, expected)


def test_an_unreadable_instruction_is_a_scene_that_failed(cell) -> None:
    class Illiterate(ScriptedPolicy):
        def start(self, instruction):
            raise UnreadableInstructionError("expected 'pick up'")

    sink = ListSink()
    result = rolled_out(cell, Illiterate(str), sink)
    assert not result.success and "pick up" in result.reason and not sink.started


def test_processes_come_to_the_same_results(cell) -> None:
    share = TakeoverOptions(expert_first_probability=0.0, stretch_steps=(3, 8))
    rollout = RolloutOptions("classical", PolicyConfig(SPEC, cell), 1, share)
    options = CollectOptions(rollout=rollout, max_steps=25, attempts=1)
    recipe = CollectorRecipe(cell, SPEC, options)
    jobs = [Job("pick_place", seed) for seed in range(3)]

    def collected(num_workers):
        results = run_jobs(recipe, jobs, num_workers=num_workers)
        return {r.job: (r.steps, r.tally.num_policy, r.tally.bins_off.tolist()) for r in results}

    alone = collected(1)
    assert all(num_policy for _, num_policy, _ in alone.values())
    assert collected(2) == alone


def test_what_cannot_drive_is_told_also_from_a_worker(cell) -> None:
    def results(policy, num_workers, checkpoint=""):
        rollout = RolloutOptions(policy, PolicyConfig(SPEC, cell, checkpoint))
        recipe = CollectorRecipe(cell, SPEC, CollectOptions(rollout=rollout, env=BLIND))
        return list(run_jobs(recipe, [JOB], num_workers=num_workers))

    with pytest.raises(UnknownNameError, match="classical, local"):
        results("nobody", 2)
    with pytest.raises(SpatialBotError, match="nowhere"):
        results("local", 1, "nowhere")


def test_unusable_options_are_refused(cell) -> None:
    rollout = RolloutOptions("classical", PolicyConfig(SPEC, cell))
    with pytest.raises(ConfigurationError, match="choose one"):
        CollectOptions(noise=NoiseOptions(), rollout=rollout)
    with pytest.raises(ConfigurationError, match="round"):
        RolloutOptions("classical", PolicyConfig(SPEC, cell), 0)


def test_no_policy_is_made_for_what_is_there(cell) -> None:
    class Full(ListSink):
        def finished(self, scene, variant):
            return f"somewhere/{variant}"

    rollout = RolloutOptions("nobody", PolicyConfig(SPEC, cell), 4)
    collector = Collector(cell, SPEC, CollectOptions(rollout=rollout, env=BLIND), Full())
    try:
        result = collector.run(JOB)
    finally:
        collector.close()
    assert result.skipped and result.folder == "somewhere/rollout4"

"""Trials in the fast environment, with doubles of policies that know what no policy may."""

from dataclasses import replace

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    Finished,
    format_action_text,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    PolicyTimeoutError,
    UnknownNameError,
    UnreadableInstructionError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.evaluate import EvaluateOptions, Evaluator, TrialJob
from spatialbot_sim.evaluate_pool import EvaluatorRecipe, run_trials
from spatialbot_sim.evaluate_probes import ObservationProbe
from spatialbot_sim.expert import Expert
from spatialbot_sim.judge import judge
from spatialbot_sim.tasks import sample_scene
from spatialbot_sim.tasks.counterfactual import counterfactual

SPEC = ActionSpec()
BLIND = EnvOptions(render=False)
JOB = TrialJob("pick_place", 1_000_002)


class ExpertDouble:
    """Test double: answers what the expert would do to get an object to a place."""

    def __init__(self, cell, meant=lambda scene: scene) -> None:
        self.evaluator: Evaluator | None = None
        self._expert, self._meant = Expert(cell, SPEC), meant

    def start(self, instruction: str) -> None:
        self.instruction = instruction

    def step(self, observation: Observation) -> PolicyStep:
        env = self.evaluator.env
        assert observation.instruction == self.instruction
        meant = self._meant(env.world.scene)
        state = replace(env.privileged_state(), verdict=judge(env.world, meant))
        action = self._expert.act(state, meant)
        text = FINISHED_TEXT if isinstance(action, Finished) else format_action_text(action)
        return PolicyStep(text, observation.newest.stamp_ns)

    def close(self) -> None:
        self.evaluator = None


class SayingDouble:
    """Test double: says the same all the time."""

    def __init__(self, says) -> None:
        self._says = says

    def start(self, instruction: str) -> None:
        if isinstance(self._says, UnreadableInstructionError):
            raise self._says

    def step(self, observation: Observation) -> PolicyStep:
        if isinstance(self._says, Exception):
            raise self._says
        return PolicyStep(self._says, observation.newest.stamp_ns)

    def close(self) -> None:
        pass


def run(cell, policy, job=JOB, **options):
    evaluator = Evaluator(cell, SPEC, EvaluateOptions(env=BLIND, **options), lambda: policy)
    if isinstance(policy, ExpertDouble):
        policy.evaluator = evaluator
    try:
        return evaluator.run(job)
    finally:
        evaluator.close()


def same(trial):
    return replace(trial, wall_s=0.0, policy_ms=0.0)


def action_text(move_m=(0.0, 0.0, 0.0), closed=False) -> str:
    return format_action_text(DeltaAction.from_values(move_m, [0.0] * 3, closed, SPEC))


def test_success_is_told_and_repeatable(cell) -> None:
    trial = run(cell, ExpertDouble(cell))
    assert (trial.success, trial.failure, trial.ending) == (True, "", "finished")
    assert (trial.right_object, trial.right_destination) == (True, True)
    assert trial.placement_error_mm < 20.0
    assert 20 < trial.steps < 100
    assert 0.5 < trial.path_m < 3.0
    assert trial.acceleration_m_s2 > 0.0 and trial.jerk_m_s3 > 0.0
    assert same(run(cell, ExpertDouble(cell))) == same(trial)


def test_the_wrong_object_on_the_right_board(cell) -> None:
    def other_object(scene):
        return replace(scene, target=next(o.name for o in scene.objects if o.name != scene.target))

    trial = run(cell, ExpertDouble(cell, other_object))
    assert (trial.success, trial.failure) == (False, "wrong object")
    assert (trial.right_object, trial.right_destination) == (False, True)


def test_the_right_object_on_the_wrong_board(cell) -> None:
    def other_board(scene):
        boards = [board.name for board in scene.boards if board.name != scene.destination]
        return replace(scene, destination=boards[0])

    trial = run(cell, ExpertDouble(cell, other_board))
    assert (trial.success, trial.failure) == (False, "wrong place")
    assert (trial.right_object, trial.right_destination) == (True, False)


def test_another_instruction_is_told_and_judged_by(cell) -> None:
    scene = sample_scene(JOB.task, JOB.seed)
    trial = run(cell, ExpertDouble(cell), instructions="counterfactual")
    assert trial.success and trial.original_success is False
    assert trial.instruction == counterfactual(scene).scene.instruction != scene.instruction
    deaf = run(cell, ExpertDouble(cell, lambda _: scene), instructions="counterfactual")
    assert not deaf.success and deaf.original_success is True


@pytest.mark.parametrize(
    ("says", "failure", "ending"),
    [
        (action_text(), "time-out", "time-out"),
        (action_text(closed=True), "missed grasp", "time-out"),
        (FINISHED_TEXT, "missed grasp", "finished"),
        ("Hello.", "no answer", "no answer"),
        (PolicyTimeoutError("too late"), "no answer", "no answer"),
        (UnreadableInstructionError("what?"), "no answer", "no answer"),
    ],
)
def test_what_else_can_happen(cell, says, failure, ending) -> None:
    trial = run(cell, SayingDouble(says), max_steps=4)
    assert (trial.failure, trial.ending) == (failure, ending)
    assert (trial.right_object, trial.right_destination) == (None, None)
    malformed, unanswered = says == "Hello.", isinstance(says, PolicyTimeoutError)
    assert (trial.num_malformed, trial.num_unanswered) == (3 * malformed, 3 * unanswered)
    assert trial.steps == (4 if ending == "time-out" else 3 * (malformed or unanswered))


def test_what_is_no_answer_is_a_hold(cell) -> None:
    trial = run(cell, SayingDouble("Hello."), max_steps=4, max_unanswered=10)
    assert (trial.steps, trial.num_malformed, trial.ending) == (4, 4, "time-out")
    assert trial.path_m < 0.005


def test_probes_change_what_they_say_and_nothing_else(cell) -> None:
    evaluator = Evaluator(cell, SPEC, EvaluateOptions(env=BLIND), lambda: SayingDouble(""))
    first = evaluator.env.reset(sample_scene(JOB.task, JOB.seed))
    second = evaluator.env.step(DeltaAction.from_values([0.0] * 3, [0.0] * 3, False, SPEC))
    evaluator.close()
    other_mm = np.full_like(first.newest.depth_mm, 777)
    probe = ObservationProbe("shuffled", other_mm)
    shown = [probe.show(first), probe.show(second)]
    assert all((frame.depth_mm == 777).all() for each in shown for frame in each.frames)
    # one frame is one object, so that what is computed from it may be kept
    assert shown[1].frames[1] is shown[0].frames[0]
    assert shown[1].newest.color is second.newest.color
    zero = ObservationProbe("zero").show(second)
    assert not zero.newest.depth_mm.any() and zero.instruction == second.instruction
    short = ObservationProbe(num_frames=1).show(second)
    assert short.frames == (second.newest,) * len(second.frames)
    assert ObservationProbe().show(second).frames == second.frames


def test_bad_options_are_refused() -> None:
    for options in ({"max_steps": 0}, {"max_unanswered": 0}, {"num_frames": -1}):
        with pytest.raises(ConfigurationError, match="expected at least"):
            EvaluateOptions(**options)
    with pytest.raises(UnknownNameError, match="choose one of: normal, shuffled, zero"):
        EvaluateOptions(depth="none")
    with pytest.raises(UnknownNameError, match="instruction mode"):
        EvaluateOptions(instructions="other")


def test_processes_find_the_same(cell) -> None:
    options = EvaluateOptions(max_steps=3, env=BLIND)
    recipe = EvaluatorRecipe(cell, SPEC, options, "classical", PolicyConfig(SPEC, cell))
    jobs = [TrialJob("pick_place", 1_000_000 + k) for k in range(3)]
    alone = [same(trial) for trial in run_trials(recipe, jobs)]
    shared = [same(trial) for trial in run_trials(recipe, jobs, num_workers=2)]
    assert sorted(shared, key=lambda trial: trial.seed) == alone
    assert [trial.seed for trial in alone] == [job.seed for job in jobs]
    with pytest.raises(UnknownNameError, match="policy"):
        list(run_trials(replace(recipe, policy="nobody"), jobs))
    with pytest.raises(ConfigurationError, match="0 workers"):
        list(run_trials(recipe, jobs, 0))

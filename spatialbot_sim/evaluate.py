"""Closed-loop trials of a policy in the fast environment: one trial is one scene, judged by truth.

A trial depends on its scene, the policy and the options alone, so any number of processes may work
on the trials of an evaluation and every one of them comes out the same. What the policy cannot
answer is a hold, as on the robot.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, get_args

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction, Finished, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import (
    ActionParseError,
    ConfigurationError,
    ContextLengthError,
    PolicyError,
    UnknownNameError,
)
from spatialbot_model.contracts.smoothness import smoothness_of
from spatialbot_model.contracts.trial import Ending, Trial, failure_class
from spatialbot_model.contracts.types import Observation, RgbdFrame
from spatialbot_model.policies.base import Policy
from spatialbot_sim.collect import family_of
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.evaluate_probes import DEPTH_MODES, DepthMode, ObservationProbe
from spatialbot_sim.evaluate_watch import TrialWatch
from spatialbot_sim.judge import COLLISION, FELL_OFF, Verdict, judge
from spatialbot_sim.tasks import Scene, sample_scene
from spatialbot_sim.tasks.counterfactual import counterfactual

InstructionMode = Literal["normal", "counterfactual"]
INSTRUCTION_MODES: tuple[InstructionMode, ...] = get_args(InstructionMode)
"""The scene's own, or another one about the same table."""

_SETTLE_S = 3.0
"""Time in which what was let go may come to rest, as the judge of the whole suite grants it."""
_STILL_STEPS = 8
_STILL_M = 0.0002
"""What moves less in each of so many steps, and is called the same, has come to rest."""
_OTHER_SCENE = 500_000
"""Added to a test seed for the scene that shuffled depth is taken from."""


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """How trials are run; may be pickled.

    Attributes:
        max_steps: control steps before time is up.
        max_unanswered: steps in a row without a readable answer that end a trial.
        depth: what the policy is shown of the depth.
        num_frames: newest frames that the policy is shown; 0 = all.
        instructions: what the policy is told, and judged by.
        env: of the environment.

    Raises:
        ConfigurationError: a number that cannot be used, or an unknown mode.
    """

    max_steps: int = 200
    max_unanswered: int = 3
    depth: DepthMode = "normal"
    num_frames: int = 0
    instructions: InstructionMode = "normal"
    env: EnvOptions = field(default_factory=EnvOptions)

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.max_unanswered < 1 or self.num_frames < 0:
            raise ConfigurationError(
                f"max_steps is {self.max_steps}, max_unanswered {self.max_unanswered} and"
                f" num_frames {self.num_frames}; expected at least 1, 1 and 0"
            )
        if self.depth not in DEPTH_MODES:
            raise UnknownNameError("depth mode", self.depth, DEPTH_MODES)
        if self.instructions not in INSTRUCTION_MODES:
            raise UnknownNameError("instruction mode", self.instructions, INSTRUCTION_MODES)


@dataclass(frozen=True, slots=True)
class TrialJob:
    """One scene to try."""

    task: str
    seed: int


class TrialFilm(Protocol):
    """Takes pictures of a trial and keeps those of failures, if it likes."""

    def begin(self, family: str) -> None:
        """A trial on a scene of this family starts."""
        ...

    def add(self, frame: RgbdFrame, text: str) -> None:
        """What the policy was shown and what it answered."""
        ...

    def end(self, trial: Trial) -> None:
        """How it ended."""
        ...


@dataclass(slots=True)
class _Tally:
    steps: int = 0
    num_malformed: int = 0
    num_unanswered: int = 0
    in_a_row: int = 0
    policy_s: float = 0.0
    remark: str = ""


class Evaluator:
    """Runs trials one after the other, in one thread; `close` releases OpenGL and the policy.

    Args:
        make_policy: called for the first trial.
        film: takes pictures.
    """

    def __init__(
        self,
        cell: Cell,
        spec: ActionSpec,
        options: EvaluateOptions,
        make_policy: Callable[[], Policy],
        film: TrialFilm | None = None,
    ) -> None:
        self._spec, self._options, self._film = spec, options, film
        self._make_policy = make_policy
        self._policy: Policy | None = None
        self.env = TabletopEnv(cell, spec, options.env)

    def run(self, job: TrialJob) -> Trial:
        """Try one scene.

        Raises:
            UnknownNameError: no such task.
            ConfigurationError: the scene allows no other instruction, and one is wanted.
            SpatialBotError: the policy cannot be made, or the world cannot be built.
        """
        started_s = time.perf_counter()
        original = sample_scene(job.task, job.seed)
        scene, changed = self._told(original)
        if self._policy is None:
            self._policy = self._make_policy()
        if self._film is not None:
            self._film.begin(family_of(scene))
        probe = self._probe(scene)
        env, tally = self.env, _Tally()
        observation = env.reset(scene)
        watch = TrialWatch(env.world)
        path_m = [env.proprioception().T_base_ee[:3, 3]]
        try:
            self._policy.start(scene.instruction)
            ending: Ending | None = None
        except PolicyError as error:
            ending, tally.remark = "no answer", str(error)
        while ending is None:
            action = self._ask(self._policy, probe.show(observation), tally)
            if isinstance(action, Finished):
                ending = "finished"
                break
            observation = env.step(action or self._hold())
            tally.steps += 1
            robot = env.proprioception()
            path_m.append(robot.T_base_ee[:3, 3])
            watch.see(robot.gripper_closed)
            ending = self._over(env.verdict(), tally)
        verdict = self._settle(watch, ending)
        smoothness = smoothness_of(path_m, self._spec.rate_hz)
        following = watch.following()
        asked = max(1, tally.steps + (ending == "finished"))
        trial = Trial(
            task=job.task,
            family=family_of(scene),
            seed=job.seed,
            novelty=scene.novelty,
            instruction=scene.instruction,
            counterfactual=changed,
            success=verdict.success,
            failure=failure_class(watch.facts(verdict, ending)),
            reason=verdict.reason if ending != "no answer" else tally.remark,
            ending=ending,
            steps=tally.steps,
            right_object=following.right_object,
            right_destination=following.right_destination,
            original_success=judge(env.world, original).success if changed else None,
            placement_error_mm=round(verdict.placement_error_m * 1e3, 2),
            path_m=round(smoothness.path_m, 4),
            acceleration_m_s2=_rounded(smoothness.acceleration_m_s2),
            jerk_m_s3=_rounded(smoothness.jerk_m_s3),
            num_malformed=tally.num_malformed,
            num_unanswered=tally.num_unanswered,
            policy_ms=round(tally.policy_s * 1e3 / asked, 2),
            wall_s=round(time.perf_counter() - started_s, 2),
        )
        if self._film is not None:
            self._film.end(trial)
        return trial

    def close(self) -> None:
        """Release OpenGL and the policy; allowed more than once."""
        self.env.close()
        policy, self._policy = self._policy, None
        if policy is not None:
            policy.close()

    def _told(self, scene: Scene) -> tuple[Scene, str]:
        """The scene with the instruction to give, and what of it was changed."""
        if self._options.instructions == "normal":
            return scene, ""
        other = counterfactual(scene)
        if other is None:
            raise ConfigurationError(
                f"{scene.task} seed {scene.seed} allows no other instruction; leave it out"
            )
        return other.scene, other.changed

    def _probe(self, scene: Scene) -> ObservationProbe:
        options = self._options
        other_depth_mm = None
        if options.depth == "shuffled":
            other = sample_scene(scene.task, scene.seed + _OTHER_SCENE)
            other_depth_mm = self.env.reset(other).newest.depth_mm
        return ObservationProbe(options.depth, other_depth_mm, options.num_frames)

    def _ask(
        self, policy: Policy, observation: Observation, tally: _Tally
    ) -> DeltaAction | Finished | None:
        """The policy's action, or None where there is none."""
        started_s = time.perf_counter()
        action: DeltaAction | Finished | None = None
        text = ""
        try:
            text = policy.step(observation).text
            action = parse_action_text(text, self._spec)
            tally.in_a_row = 0
        except ActionParseError as error:
            tally.num_malformed += 1
            tally.in_a_row += 1
            tally.remark = f"unreadable: {error}"
        except (PolicyError, ContextLengthError) as error:
            tally.num_unanswered += 1
            tally.in_a_row += 1
            tally.remark = f"no answer: {error}"
        tally.policy_s += time.perf_counter() - started_s
        if self._film is not None:
            self._film.add(observation.newest, text or tally.remark)
        return action

    def _over(self, verdict: Verdict, tally: _Tally) -> Ending | None:
        """Why a trial ends after a step; None while it goes on."""
        if verdict.reason.startswith(COLLISION):
            return "collision"
        if verdict.reason.endswith(FELL_OFF):
            return "lost"
        if tally.in_a_row >= self._options.max_unanswered:
            return "no answer"
        return "time-out" if tally.steps >= self._options.max_steps else None

    def _settle(self, watch: TrialWatch, ending: Ending) -> Verdict:
        """Hold until the target is where it should be or nothing moves any more; then judge."""
        env = self.env
        verdict = env.verdict()
        if ending not in ("finished", "time-out"):
            # a touched obstacle may stand still again, and an answer may come too late
            return replace(verdict, success=False, reason=verdict.reason or ending)
        unchanged = 0
        for _ in range(round(_SETTLE_S * self._spec.rate_hz)):
            if verdict.success or verdict.reason.startswith(COLLISION) or unchanged >= _STILL_STEPS:
                break
            before = verdict
            env.move(self._hold())
            watch.see(env.proprioception().gripper_closed)
            verdict = env.verdict()
            moved_m = np.linalg.norm(verdict.target_position_m - before.target_position_m)
            same = verdict.reason == before.reason and moved_m < _STILL_M
            unchanged = unchanged + 1 if same else 0
        return verdict

    def _hold(self) -> DeltaAction:
        closed = self.env.proprioception().gripper_closed
        return DeltaAction.from_values([0.0] * 3, [0.0] * 3, closed, self._spec)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

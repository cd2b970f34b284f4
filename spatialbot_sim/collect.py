"""Collects episodes: one job is one scene, tried until it succeeds, handed to a sink step by step.

Where episodes are stored is the sink's business; this module knows the simulation only. Jobs
share nothing, so that any number of processes may work on them and every job comes out the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    Finished,
    format_action_text,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import RgbdFrame
from spatialbot_sim.env import EnvOptions, Proprioception, TabletopEnv
from spatialbot_sim.expert import Expert
from spatialbot_sim.expert_noise import NoiseInjector, NoiseOptions
from spatialbot_sim.judge import Verdict
from spatialbot_sim.tasks import Scene, sample_scene

EXPERT_SOURCE = "expert"
NOISE_SOURCE = "noise"

_FAMILY = "family:"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One control step of an episode.

    Attributes:
        sequence: counts the actions from 1; of the last record, which has none, 0.
        frame: what the camera saw before the action; its stamp is the step's.
        robot: what the robot measured at that moment.
        action: what was executed; None at the end of the episode.
        source: `EXPERT_SOURCE`, or `NOISE_SOURCE` when the action is not the expert's own.
        text: what the expert answered, in SpatialBot's language, whatever was executed.
        stage: what the expert is doing, for people.
        robot_time_s: since the start of the episode.
    """

    sequence: int
    frame: RgbdFrame
    robot: Proprioception
    action: DeltaAction | None
    source: str
    text: str
    stage: str
    robot_time_s: float


@dataclass(frozen=True, slots=True)
class EpisodeStart:
    """What is known before the first step.

    Attributes:
        variant: how it was made, "expert" or "noise"; part of the episode's name.
        T_base_color: (4, 4) pose of the colour camera's optical frame in the base frame.
    """

    scene: Scene
    spec: ActionSpec
    variant: str
    start_ns: int
    T_base_color: NDArray[np.float64]


class EpisodeSink(Protocol):
    """Takes one episode: `begin`, `write` per step, then `end` or `discard`."""

    def begin(self, start: EpisodeStart) -> None:
        """Make room for an episode; something unfinished of the same name is removed."""
        ...

    def write(self, record: StepRecord) -> None:
        """Take one step; may wait until there is room."""
        ...

    def end(self, label: str, reason: str, stop_ns: int) -> str:
        """Finish the episode; answers where it is."""
        ...

    def discard(self) -> None:
        """Forget the episode."""
        ...

    def finished(self, scene: Scene, variant: str) -> str:
        """Where a finished episode of this scene is already, "" when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """How episodes are made.

    Attributes:
        noise: disturb the expert, None = never.
        max_steps: an attempt that takes longer has failed.
        attempts: with noise, how often a scene is tried, each time with other noise. Without
            noise every attempt would be the same.
        keep_failures: store the last attempt of a scene that never succeeded, labelled failure.
        env: of the environment.
    """

    noise: NoiseOptions | None = None
    max_steps: int = 200
    attempts: int = 3
    keep_failures: bool = False
    env: EnvOptions = field(default_factory=EnvOptions)

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.attempts < 1:
            raise ConfigurationError(
                f"max_steps is {self.max_steps} and attempts {self.attempts}; expected 1 or more"
            )

    @property
    def variant(self) -> str:
        """Name of this way of making episodes."""
        return EXPERT_SOURCE if self.noise is None else NOISE_SOURCE


@dataclass(frozen=True, slots=True)
class Job:
    """One scene to make an episode of."""

    task: str
    seed: int


@dataclass(frozen=True, slots=True)
class JobResult:
    """What has become of a job.

    Attributes:
        family: of the scene, for statistics.
        success: the last attempt succeeded.
        reason: why not, in words.
        steps: actions of the last attempt.
        num_attempts: attempts made.
        first_success: the first attempt succeeded.
        num_noise: executed actions that were not the expert's.
        robot_time_s, wall_s: of the last attempt, and of all together.
        folder: where the episode is, "" when it was not kept.
        skipped: it was there already.
    """

    job: Job
    family: str
    success: bool
    reason: str
    steps: int
    num_attempts: int
    first_success: bool
    num_noise: int
    robot_time_s: float
    wall_s: float
    folder: str
    skipped: bool = False


class Collector:
    """Works on jobs, one after the other, in one thread; `close` releases OpenGL.

    Args:
        sink: takes the episodes; None keeps nothing.
    """

    def __init__(
        self, cell: Cell, spec: ActionSpec, options: CollectOptions, sink: EpisodeSink | None
    ) -> None:
        self._cell, self._spec, self._options, self._sink = cell, spec, options, sink
        self._env = TabletopEnv(cell, spec, options.env)
        self._expert = Expert(cell, spec)

    def run(self, job: Job) -> JobResult:
        """Make the episode of one job.

        Raises:
            UnknownNameError: no such task.
            RecordingError: the sink cannot take it.
        """
        started_s = time.perf_counter()
        scene = sample_scene(job.task, job.seed)
        options = self._options
        found = self._sink.finished(scene, options.variant) if self._sink else ""
        if found:
            return JobResult(
                job, family_of(scene), True, "", 0, 0, True, 0, 0.0, 0.0, found, skipped=True
            )
        num_attempts = 1 if options.noise is None else options.attempts
        for attempt in range(num_attempts):
            last = attempt + 1 == num_attempts
            verdict, steps, num_noise, folder = self._try(scene, attempt, last)
            if verdict.success:
                break
        return JobResult(
            job=job,
            family=family_of(scene),
            success=verdict.success,
            reason=verdict.reason,
            steps=steps,
            num_attempts=attempt + 1,
            first_success=verdict.success and attempt == 0,
            num_noise=num_noise,
            robot_time_s=steps / self._spec.rate_hz,
            wall_s=time.perf_counter() - started_s,
            folder=folder,
        )

    def close(self) -> None:
        """Release OpenGL; allowed more than once."""
        self._env.close()

    def _try(self, scene: Scene, attempt: int, last: bool) -> tuple[Verdict, int, int, str]:
        """One attempt: how it ended, its steps, those disturbed, and where it is kept."""
        env, sink, options = self._env, self._sink, self._options
        noise = None
        if options.noise is not None:
            noise = NoiseInjector(options.noise, [scene.seed % 2**63, attempt])
        frame = env.reset(scene).newest
        if sink is not None:
            start = EpisodeStart(
                scene, self._spec, options.variant, env.stamp_ns, self._cell.camera.T_base_color
            )
            sink.begin(start)
        try:
            steps = num_noise = 0
            while True:
                state = env.privileged_state()
                decision = self._expert.decide(state, scene)
                lost = self._expert.hopeless(state, scene)
                finished = isinstance(decision.action, Finished)
                done = bool(lost) or finished or steps == options.max_steps
                executed = None
                if isinstance(decision.action, DeltaAction) and not done:
                    executed = decision.action if noise is None else noise.disturb(decision.action)
                own = executed is None or executed == decision.action
                num_noise += not own
                if sink is not None:
                    sink.write(
                        StepRecord(
                            sequence=0 if done else steps + 1,
                            frame=frame,
                            robot=env.proprioception(),
                            action=executed,
                            source=EXPERT_SOURCE if own else NOISE_SOURCE,
                            text=_text(decision.action),
                            stage=decision.stage,
                            robot_time_s=steps / self._spec.rate_hz,
                        )
                    )
                if executed is None:
                    break
                frame = env.step(executed).newest
                steps += 1
            # an obstacle that was touched counts, even when it came to no harm
            verdict = replace(state.verdict, success=False, reason=lost) if lost else state.verdict
            folder = ""
            if sink is not None:
                if verdict.success or (last and options.keep_failures):
                    label = "success" if verdict.success else "failure"
                    folder = sink.end(label, verdict.reason, env.stamp_ns)
                else:
                    sink.discard()
        except BaseException:
            if sink is not None:
                sink.discard()
            raise
        return verdict, steps, num_noise, folder


def family_of(scene: Scene) -> str:
    """What kind of scene it is, for statistics: its family, or its task when it has none."""
    for feature in scene.features:
        if feature.startswith(_FAMILY):
            return feature.removeprefix(_FAMILY)
    return scene.task


def _text(action: DeltaAction | Finished) -> str:
    return FINISHED_TEXT if isinstance(action, Finished) else format_action_text(action)


SinkFactory = Callable[[], EpisodeSink]
"""Makes a worker's sink; travels to other processes, so it must be picklable."""

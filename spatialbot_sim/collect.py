"""Collects episodes: one job is one scene, tried until it succeeds, handed to a sink step by step.

The expert answers at every step, and its answer is the label; a driver chooses what is executed.
Jobs share nothing, so that any number of processes may work on them and every job comes out the
same.
"""

import time
from dataclasses import dataclass, field, replace

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError, UnreadableInstructionError
from spatialbot_sim.annotator import Annotator, text_of
from spatialbot_sim.drivers import (
    EXPERT_SOURCE,
    NOISE_SOURCE,
    Drive,
    Driver,
    DriveTally,
    ExpertDriver,
    NoiseDriver,
)
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.episode_sink import EpisodeSink, EpisodeStart, StepRecord
from spatialbot_sim.expert import Expert
from spatialbot_sim.expert_noise import NoiseOptions
from spatialbot_sim.judge import Verdict
from spatialbot_sim.rollout import PolicyDriver, RolloutOptions
from spatialbot_sim.tasks import Scene, sample_scene

_FAMILY = "family:"


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """How episodes are made: by the expert alone unless noise or a policy is given.

    Attributes:
        noise: disturb the expert.
        rollout: let a policy drive, with the expert taking over.
        max_steps: an attempt that takes longer has failed.
        attempts: how often a scene is tried, each time with other noise, or with less of the
            policy. Without either every attempt would be the same.
        num_instructions: that each frame is annotated with, the scene's own one first; 0 = none.
        keep_failures: store the last attempt of a scene that never succeeded, labelled failure.
        env: of the environment.

    Raises:
        ConfigurationError: noise and a policy together, or a number below 1.
    """

    noise: NoiseOptions | None = None
    rollout: RolloutOptions | None = None
    max_steps: int = 200
    attempts: int = 3
    num_instructions: int = 1
    keep_failures: bool = False
    env: EnvOptions = field(default_factory=EnvOptions)

    def __post_init__(self) -> None:
        if self.max_steps < 1 or self.attempts < 1:
            raise ConfigurationError(
                f"max_steps is {self.max_steps} and attempts {self.attempts}; expected 1 or more"
            )
        if self.noise is not None and self.rollout is not None:
            raise ConfigurationError(
                "either noise disturbs the expert or a policy drives; choose one of them"
            )

    @property
    def variant(self) -> str:
        """Name of this way of making episodes."""
        if self.rollout is not None:
            return self.rollout.variant
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
        robot_time_s, wall_s: of the last attempt, and of all together.
        folder: where the episode is, "" when it was not kept.
        tally: what was executed in the last attempt.
        skipped: it was there already.
        moment: of a glimpse, `Moment`; "" for whole episodes.
    """

    job: Job
    family: str
    success: bool
    reason: str = ""
    steps: int = 0
    num_attempts: int = 0
    first_success: bool = False
    robot_time_s: float = 0.0
    wall_s: float = 0.0
    folder: str = ""
    tally: DriveTally = field(default_factory=DriveTally)
    skipped: bool = False
    moment: str = ""


class Collector:
    """Works on jobs, one after the other, in one thread; `close` releases OpenGL and the driver.

    Args:
        sink: takes the episodes; None keeps nothing.
        driver: chooses what is executed, closed with the collector; None = as the options say,
            made for the first job.
    """

    def __init__(
        self,
        cell: Cell,
        spec: ActionSpec,
        options: CollectOptions,
        sink: EpisodeSink | None,
        driver: Driver | None = None,
    ) -> None:
        self._cell, self._spec, self._options, self._sink = cell, spec, options, sink
        self._driver = driver
        self._env = TabletopEnv(cell, spec, options.env)
        self._expert = Expert(cell, spec)
        self._annotator = Annotator(self._expert, cell.table_top_z_m, options.num_instructions)

    def run(self, job: Job) -> JobResult:
        """Make the episode of one job.

        Raises:
            UnknownNameError: no such task, or no such policy.
            PolicyError: the policy answers nothing.
            RecordingError: the sink cannot take it.
        """
        started_s = time.perf_counter()
        scene = sample_scene(job.task, job.seed)
        family = family_of(scene)
        found = self._sink.finished(scene, self._options.variant) if self._sink else ""
        if found:
            return JobResult(job, family, True, first_success=True, folder=found, skipped=True)
        if self._driver is None:
            self._driver = make_driver(self._options)
        driver = self._driver
        num_attempts = self._options.attempts if driver.varies else 1
        for attempt in range(num_attempts):
            try:
                driver.start(scene, attempt)
            except UnreadableInstructionError as error:
                return JobResult(job, family, False, str(error))
            verdict, steps, folder = self._try(scene, driver, attempt + 1 == num_attempts)
            if verdict.success:
                break
        return JobResult(
            job=job,
            family=family,
            success=verdict.success,
            reason=verdict.reason,
            steps=steps,
            num_attempts=attempt + 1,
            first_success=verdict.success and attempt == 0,
            robot_time_s=steps / self._spec.rate_hz,
            wall_s=time.perf_counter() - started_s,
            folder=folder,
            tally=driver.tally,
        )

    def close(self) -> None:
        """Release OpenGL and the driver; allowed more than once."""
        self._env.close()
        if self._driver is not None:
            self._driver.close()

    def _try(self, scene: Scene, driver: Driver, last: bool) -> tuple[Verdict, int, str]:
        """One attempt: how it ended, its steps, and where it is kept."""
        env, sink = self._env, self._sink
        observation = env.reset(scene)
        if sink is not None:
            sink.begin(
                EpisodeStart(
                    scene,
                    self._spec,
                    self._options.variant,
                    env.stamp_ns,
                    self._cell.camera.T_base_color,
                )
            )
        try:
            steps = 0
            self._annotator.start(scene, env.world, env.privileged_state())
            while True:
                state = env.privileged_state()
                decision = self._expert.decide(state, scene)
                lost = self._expert.hopeless(state, scene)
                robot = env.proprioception()
                drive: Drive | None = None
                done = bool(lost) or steps == self._options.max_steps
                if isinstance(decision.action, DeltaAction) and not done:
                    drive = driver.drive(observation, robot, decision.action)
                if sink is not None:
                    sink.write(
                        StepRecord(
                            sequence=0 if drive is None else steps + 1,
                            frame=observation.newest,
                            robot=robot,
                            action=None if drive is None else drive.action,
                            source=EXPERT_SOURCE if drive is None else drive.source,
                            text=text_of(decision.action),
                            stage=decision.stage,
                            robot_time_s=steps / self._spec.rate_hz,
                            remark="" if drive is None else drive.remark,
                            annotations=self._annotator.annotate(
                                scene, env.world, state, decision, steps
                            ),
                        )
                    )
                if drive is None:
                    break
                observation = env.step(drive.action)
                steps += 1
            # an obstacle that was touched counts, even when it came to no harm
            verdict = replace(state.verdict, success=False, reason=lost) if lost else state.verdict
            folder = ""
            if sink is not None:
                if verdict.success or (last and self._options.keep_failures):
                    label = "success" if verdict.success else "failure"
                    folder = sink.end(label, verdict.reason, env.stamp_ns)
                else:
                    sink.discard()
        except BaseException:
            if sink is not None:
                sink.discard()
            raise
        return verdict, steps, folder


def make_driver(options: CollectOptions) -> Driver:
    """Who drives, as the options say.

    Raises:
        SpatialBotError: the policy cannot be made.
    """
    if options.rollout is not None:
        return PolicyDriver.open(options.rollout)
    return ExpertDriver() if options.noise is None else NoiseDriver(options.noise)


def family_of(scene: Scene) -> str:
    """What kind of scene it is, for statistics: its family, or its task when it has none."""
    for feature in scene.features:
        if feature.startswith(_FAMILY):
            return feature.removeprefix(_FAMILY)
    return scene.task

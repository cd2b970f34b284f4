"""Collects glimpses: one scene each, from one random moment on, a few steps of the expert.

A glimpse is no attempt at the task: its label says that it is good to learn from, its reason which
moment it shows, and its variant and provenance tell it apart from whole episodes.
"""

import time
from dataclasses import dataclass, field

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.glimpse import GLIMPSE_VARIANT, reason_of
from spatialbot_sim.annotator import Annotator, text_of
from spatialbot_sim.collect import Job, JobResult, family_of
from spatialbot_sim.drivers import EXPERT_SOURCE, Drive, NoiseDriver
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.episode_sink import EpisodeSink, EpisodeStart, StepRecord
from spatialbot_sim.expert import Expert
from spatialbot_sim.expert_noise import NoiseOptions
from spatialbot_sim.glimpses import MOMENTS, GlimpseStager, Moment
from spatialbot_sim.tasks import Scene, sample_scene

_BURST_PROBABILITY = 0.2
"""More than in whole episodes: a glimpse has no time to get into trouble by itself."""


@dataclass(frozen=True, slots=True)
class GlimpseOptions:
    """What a glimpse is.

    Attributes:
        num_steps: recorded steps; fewer when the expert finishes or nothing can be saved.
        num_instructions: that each frame is annotated with, the scene's own one first.
        moments: of which each glimpse shows one, drawn from its seed.
        noise: disturbs the expert.
        env: of the environment.
    """

    num_steps: int = 7
    num_instructions: int = 5
    moments: tuple[Moment, ...] = MOMENTS
    noise: NoiseOptions = field(
        default_factory=lambda: NoiseOptions(burst_probability=_BURST_PROBABILITY)
    )
    env: EnvOptions = field(default_factory=EnvOptions)

    def __post_init__(self) -> None:
        if self.num_steps < 1 or self.num_instructions < 0:
            raise ConfigurationError(
                f"{self.num_steps} steps and {self.num_instructions} instructions; expected 1 or"
                " more steps and 0 or more instructions"
            )
        if not self.moments or not set(self.moments) <= set(MOMENTS):
            raise ConfigurationError(
                f"moments {', '.join(self.moments) or 'none'}: choose one or more of:"
                f" {', '.join(MOMENTS)}"
            )

    @property
    def variant(self) -> str:
        """Name of this way of making episodes."""
        return GLIMPSE_VARIANT


class GlimpseCollector:
    """Works on jobs, one after the other, in one thread; `close` releases OpenGL.

    Args:
        sink: takes the glimpses; None keeps nothing.
    """

    def __init__(
        self, cell: Cell, spec: ActionSpec, options: GlimpseOptions, sink: EpisodeSink | None
    ) -> None:
        self._cell, self._spec, self._options, self._sink = cell, spec, options, sink
        self._env = TabletopEnv(cell, spec, options.env)
        self._expert = Expert(cell, spec)
        self._stager = GlimpseStager(self._env, cell, spec, self._expert, options.moments)
        self._annotator = Annotator(self._expert, cell.table_top_z_m, options.num_instructions)
        self._driver = NoiseDriver(options.noise)

    def run(self, job: Job) -> JobResult:
        """Make the glimpse of one job.

        Raises:
            UnknownNameError: no such task.
            RecordingError: the sink cannot take it.
        """
        started_s = time.perf_counter()
        scene = sample_scene(job.task, job.seed)
        family = family_of(scene)
        found = self._sink.finished(scene, GLIMPSE_VARIANT) if self._sink else ""
        if found:
            return JobResult(job, family, True, first_success=True, folder=found, skipped=True)
        self._env.lay(scene)
        self._annotator.start(scene, self._env.world, self._env.privileged_state())
        moment = self._stager.stage(scene)
        self._driver.start(scene, 0)
        try:
            steps, folder = self._record(scene, moment)
        except BaseException:
            if self._sink is not None:
                self._sink.discard()
            raise
        return JobResult(
            job=job,
            family=family,
            success=steps > 0,
            reason="" if steps else f"nothing to learn from at the moment {moment}",
            steps=steps,
            num_attempts=1,
            first_success=steps > 0,
            robot_time_s=steps / self._spec.rate_hz,
            wall_s=time.perf_counter() - started_s,
            folder=folder,
            tally=self._driver.tally,
            moment=moment,
        )

    def close(self) -> None:
        """Release OpenGL; allowed more than once."""
        self._env.close()

    def _record(self, scene: Scene, moment: Moment) -> tuple[int, str]:
        """Number of steps, and where they are kept."""
        env, sink = self._env, self._sink
        observation = env.begin()
        if sink is not None:
            T_base_color = self._cell.camera.T_base_color
            sink.begin(EpisodeStart(scene, self._spec, GLIMPSE_VARIANT, env.stamp_ns, T_base_color))
        steps, last = 0, False
        while not last:
            state = env.privileged_state()
            if self._expert.hopeless(state, scene):
                break
            decision = self._expert.decide(state, scene)
            robot = env.proprioception()
            drive: Drive | None = None
            if isinstance(decision.action, DeltaAction):
                drive = self._driver.drive(observation, robot, decision.action)
            steps += 1
            last = drive is None or steps == self._options.num_steps
            if sink is not None:
                sink.write(
                    StepRecord(
                        sequence=0 if drive is None else steps,
                        frame=observation.newest,
                        robot=robot,
                        action=None if drive is None else drive.action,
                        source=EXPERT_SOURCE if drive is None else drive.source,
                        text=text_of(decision.action),
                        stage=decision.stage,
                        robot_time_s=(steps - 1) / self._spec.rate_hz,
                        annotations=self._annotator.annotate(
                            scene, env.world, state, decision, steps
                        ),
                    )
                )
            if drive is not None and not last:
                observation = env.step(drive.action)
        if sink is None:
            return steps, ""
        if not steps:
            sink.discard()
            return 0, ""
        return steps, sink.end("success", reason_of(moment), env.stamp_ns)

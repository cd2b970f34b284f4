"""What a collector hands over, step by step, and who takes it.

Where episodes are stored is the sink's business; the simulation knows this contract only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.types import RgbdFrame
from spatialbot_sim.annotator import Annotation
from spatialbot_sim.proprioception import Proprioception
from spatialbot_sim.tasks import Scene


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One control step of an episode.

    Attributes:
        sequence: counts the actions from 1; of the last record, which has none, 0.
        frame: what the camera saw before the action; its stamp is the step's.
        robot: what the robot measured at that moment.
        action: what was executed; None at the end of the episode.
        source: whose action it is, one of `drivers`; of the last record the expert's.
        text: what the expert answered, in SpatialBot's language, whatever was executed.
        stage: what the expert is doing, for people.
        remark: what else there is to say about the action, such as a policy's answer that could
            not be executed; mostly empty.
        robot_time_s: since the start of the episode.
        annotations: what the expert answers to this and to other instructions.
    """

    sequence: int
    frame: RgbdFrame
    robot: Proprioception
    action: DeltaAction | None
    source: str
    text: str
    stage: str
    robot_time_s: float
    remark: str = ""
    annotations: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class EpisodeStart:
    """What is known before the first step.

    Attributes:
        variant: how it was made, expert, noise, rollout<round> or glimpse; part of the
            episode's name.
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


SinkFactory = Callable[[], EpisodeSink]
"""Makes a worker's sink; travels to other processes, so it must be picklable."""

"""Who moves the arm while episodes are collected: the expert, or the expert with noise.

Whoever drives, the label of a step is the expert's own answer; a driver only says what is
executed. The third driver, a policy, is in `rollout`.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.types import Observation
from spatialbot_sim.expert_noise import NoiseInjector, NoiseOptions
from spatialbot_sim.proprioception import Proprioception
from spatialbot_sim.tasks import Scene

EXPERT_SOURCE = "expert"
NOISE_SOURCE = "noise"
POLICY_SOURCE = "policy"


@dataclass(frozen=True, slots=True)
class Drive:
    """What is executed in one step.

    Attributes:
        action: the expert's own object when it is the expert's.
        source: who it comes from.
        remark: what else there is to say, in words: a policy's answer that could not be
            executed. Empty for most steps.
    """

    action: DeltaAction
    source: str
    remark: str = ""


@dataclass(slots=True)
class DriveTally:
    """What was executed in one attempt.

    Attributes:
        num_noise: steps that were disturbed.
        num_policy: steps that the policy drove, holds included.
        num_malformed, num_unanswered, num_early_ends: of those, how many were held because the
            answer was no action, because there was none, or because it said that all is done
            while the expert sees more to do.
        num_compared: answers of the policy that are actions.
        bins_off: (6,) sum over those of the distance to the expert's bins: translation, rotation.
        num_gripper_off: how many of those want the gripper otherwise than the expert.
    """

    num_noise: int = 0
    num_policy: int = 0
    num_malformed: int = 0
    num_unanswered: int = 0
    num_early_ends: int = 0
    num_compared: int = 0
    bins_off: NDArray[np.int64] = field(default_factory=lambda: np.zeros(6, np.int64))
    num_gripper_off: int = 0

    @property
    def num_holds(self) -> int:
        """Steps of the policy in which the arm held."""
        return self.num_malformed + self.num_unanswered + self.num_early_ends

    def compare(self, action: DeltaAction, expert: DeltaAction) -> None:
        """Count how far an action is from the expert's."""
        self.num_compared += 1
        self.bins_off += np.abs(np.subtract(action.bins[:6], expert.bins[:6]))
        self.num_gripper_off += action.gripper_closed != expert.gripper_closed


class Driver(Protocol):
    """Chooses what is executed: `start` at every attempt, then `drive` at every step."""

    @property
    def varies(self) -> bool:
        """Whether another attempt at the same scene may end otherwise."""
        ...

    @property
    def tally(self) -> DriveTally:
        """Of the attempt that was started last."""
        ...

    def start(self, scene: Scene, attempt: int) -> None:
        """Begin an attempt, counted from 0; equal ones give equal drives.

        Raises:
            UnreadableInstructionError: the scene's instruction cannot be driven.
        """
        ...

    def drive(self, observation: Observation, robot: Proprioception, expert: DeltaAction) -> Drive:
        """What to execute in a state for which the expert has given its answer.

        Raises:
            PolicyError: a driver that does not answer at all.
        """
        ...

    def close(self) -> None:
        """Release what it holds; allowed more than once."""
        ...


class ExpertDriver:
    """Does what the expert says."""

    varies = False

    def __init__(self) -> None:
        self.tally = DriveTally()

    def start(self, scene: Scene, attempt: int) -> None:
        """See `Driver`."""
        self.tally = DriveTally()

    def drive(self, observation: Observation, robot: Proprioception, expert: DeltaAction) -> Drive:
        """See `Driver`."""
        return Drive(expert, EXPERT_SOURCE)

    def close(self) -> None:
        """See `Driver`."""


class NoiseDriver:
    """Disturbs the expert, so that it has to recover."""

    varies = True

    def __init__(self, options: NoiseOptions) -> None:
        self._options = options
        self._noise = NoiseInjector(options, 0)
        self.tally = DriveTally()

    def start(self, scene: Scene, attempt: int) -> None:
        """See `Driver`."""
        self._noise = NoiseInjector(self._options, [scene.seed % 2**63, attempt])
        self.tally = DriveTally()

    def drive(self, observation: Observation, robot: Proprioception, expert: DeltaAction) -> Drive:
        """See `Driver`."""
        action = self._noise.disturb(expert)
        if action == expert:
            return Drive(expert, EXPERT_SOURCE)
        self.tally.num_noise += 1
        return Drive(action, NOISE_SOURCE)

    def close(self) -> None:
        """See `Driver`."""

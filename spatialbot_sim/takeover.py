"""Who drives when a policy and the expert share an episode.

Stretches alternate, and their lengths are drawn: some scenes have long stretches, in which the
policy gets far away by its own errors, others short ones, in which it meets every stage of the
task. From a step that is drawn too, the expert drives to the end. Everything follows from the
seed and from what happened, so an episode can be repeated.
"""

from dataclasses import dataclass

import numpy as np

from spatialbot_model.contracts.errors import ConfigurationError

_AWAY = 0.25
"""Of a stretch: what the expert drives at least after the policy has given up."""


@dataclass(frozen=True, slots=True)
class TakeoverOptions:
    """How an episode is shared.

    Attributes:
        policy_share: share of the steps that the policy drives, in (0, 1]; 1 = until it has
            finished or the drawn step is there.
        stretch_steps: (shortest, longest) of what a scene's typical stretch of the policy is
            drawn from, evenly in the logarithm; each stretch is 0.5 to 1.5 times as long.
        expert_steps: what the expert needs for an episode by itself. No stretch is typical that
            would take more than the share beside it.
        expert_first_probability: of a scene to begin with the expert instead of the policy.
        max_first_steps: the expert then drives 1 to this many steps, so that the policy also
            gets to late stages of the task.
        last_policy_step: (earliest, latest) of the step from which the expert drives alone.
        retry_factor: with each further attempt the share is multiplied by it.

    Raises:
        ConfigurationError: a share, probability or range that cannot be used.
    """

    policy_share: float = 0.6
    stretch_steps: tuple[int, int] = (8, 96)
    expert_steps: int = 75
    expert_first_probability: float = 0.5
    max_first_steps: int = 40
    last_policy_step: tuple[int, int] = (80, 200)
    retry_factor: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.policy_share <= 1.0:
            raise ConfigurationError(
                f"policy_share is {self.policy_share}, expected more than 0 and at most 1; leave"
                " the policy out for episodes of the expert alone"
            )
        if not (0.0 <= self.expert_first_probability <= 1.0 and 0.0 < self.retry_factor <= 1.0):
            raise ConfigurationError(
                f"expert_first_probability is {self.expert_first_probability} and retry_factor"
                f" {self.retry_factor}; expected [0, 1] and more than 0 to 1"
            )
        for name in ("stretch_steps", "last_policy_step"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise ConfigurationError(f"{name} is {low} to {high}, expected 1 <= low <= high")
        for name in ("expert_steps", "max_first_steps"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, expected 1 or more")


class Takeover:
    """Says before each step who drives it: `policy_is_next`, once per step.

    Args:
        seed: integers >= 0; equal ones give equal stretches.
        attempt: number of the attempt at the scene, from 0.
    """

    def __init__(self, options: TakeoverOptions, seed: list[int], attempt: int = 0) -> None:
        self._rng = rng = np.random.default_rng([*seed, attempt])
        self._share = share = options.policy_share * options.retry_factor**attempt
        low, high = options.stretch_steps
        if share < 1.0:
            high = max(low, min(high, round(options.expert_steps * share / (1.0 - share))))
        self._stretch = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        self._end = int(rng.integers(options.last_policy_step[0], options.last_policy_step[1] + 1))
        expert_first = rng.random() < options.expert_first_probability
        first = int(rng.integers(1, options.max_first_steps + 1))
        self._policy_drives = not expert_first
        self._left = first if expert_first else self._policy_steps()
        self._num_policy = self._num_expert = 0
        self._gave_up = False

    def policy_is_next(self) -> bool:
        """Whether the policy drives the step that comes now."""
        if self._num_policy + self._num_expert >= self._end:
            self._num_expert += 1
            return False
        if self._left == 0:
            self._hand_over()
        self._left -= 1
        self._num_policy += self._policy_drives
        self._num_expert += not self._policy_drives
        return self._policy_drives

    def give_up(self) -> None:
        """The policy's stretch ends with the step that it was just asked for."""
        if self._policy_drives:
            self._left = 0
            self._gave_up = True

    def _hand_over(self) -> None:
        if self._policy_drives:
            # what the share leaves to the expert, less what it has had already
            owed = self._num_policy * (1.0 - self._share) / self._share - self._num_expert
            if self._gave_up:
                # away from a state about which the policy has nothing to say
                owed = max(owed, _AWAY * self._stretch)
            self._left = max(1, round(owed * self._rng.uniform(0.5, 1.5)))
            self._policy_drives = self._gave_up = False
        else:
            self._left = self._policy_steps()
            self._policy_drives = True

    def _policy_steps(self) -> int:
        return max(1, round(self._stretch * self._rng.uniform(0.5, 1.5)))

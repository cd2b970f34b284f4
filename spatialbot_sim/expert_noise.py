"""Disturbs what the expert does, so that recordings hold states beside the path and the way back.

Bursts of wrong motion and single flips of the gripper; figures of a spike that trained from them.
"""

from dataclasses import dataclass

import numpy as np

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class NoiseOptions:
    """How much is disturbed.

    Attributes:
        burst_probability: of a step to begin a burst.
        max_burst_steps: a burst lasts 1 to this many steps.
        translation_sigma_m, yaw_sigma_rad: of what is added to each step of a burst.
        flip_probability: of a step to command the gripper the other way.
    """

    burst_probability: float = 0.08
    max_burst_steps: int = 4
    translation_sigma_m: float = 0.02
    yaw_sigma_rad: float = 0.03
    flip_probability: float = 0.01

    def __post_init__(self) -> None:
        for name in ("burst_probability", "flip_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}, expected a probability in [0, 1]"
                )
        if self.max_burst_steps < 1:
            raise ConfigurationError(
                f"max_burst_steps is {self.max_burst_steps}, expected 1 or more"
            )


class NoiseInjector:
    """Noise of one episode; deterministic in `seed` (any sequence of integers)."""

    def __init__(self, options: NoiseOptions, seed: int | list[int]) -> None:
        self._options = options
        self._rng = np.random.default_rng(seed)
        self._left = 0

    def disturb(self, action: DeltaAction) -> DeltaAction:
        """The action to execute; the same object when this step is not disturbed."""
        options, rng = self._options, self._rng
        if self._left == 0 and rng.random() < options.burst_probability:
            self._left = int(rng.integers(1, options.max_burst_steps + 1))
        flip = rng.random() < options.flip_probability
        if self._left == 0 and not flip:
            return action
        translation_m, rotation_rad = action.translation_m, action.rotation_rad
        if self._left:
            self._left -= 1
            translation_m = translation_m + rng.normal(0.0, options.translation_sigma_m, 3)
            rotation_rad = rotation_rad + np.array(
                [0.0, 0.0, rng.normal(0.0, options.yaw_sigma_rad)]
            )
        return DeltaAction.from_values(
            translation_m, rotation_rad, action.gripper_closed != flip, action.spec, clip=True
        )

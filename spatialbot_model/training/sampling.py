"""Which samples a step learns from: drawn by weight, from nothing but seed, step and process."""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError

_DRAWS, _AUGMENTATIONS, _LAYERS = 1, 2, 3


class WeightedDraws:
    """Indices drawn with replacement; equal seed, step and rank give equal indices.

    Args:
        weights: (n,) relative frequency of each sample.
        seed: of the training.

    Raises:
        ConfigurationError: no weights, a negative one or one that is not finite, or all zero.
    """

    def __init__(self, weights: NDArray[np.float64], seed: int) -> None:
        values = np.asarray(weights, np.float64)
        if values.ndim != 1 or not len(values):
            raise ConfigurationError(f"sampling weights have shape {values.shape}, expected (n,)")
        if not np.isfinite(values).all() or (values < 0).any() or not values.any():
            raise ConfigurationError(
                "sampling weights must be finite and not negative, and one above 0"
            )
        self._ends = np.cumsum(values)
        self._last = int(np.flatnonzero(values)[-1])
        self._seed = seed

    def indices(self, step: int, count: int, rank: int = 0) -> NDArray[np.int64]:
        """(count,) samples of one process at an optimisation step, from 0."""
        generator = np.random.default_rng([self._seed, _DRAWS, step, rank])
        at = generator.random(count) * self._ends[-1]
        # rounding may reach the very end, where there is no sample
        found: NDArray[np.int64] = np.searchsorted(self._ends, at, side="right")
        return np.minimum(found, self._last).astype(np.int64)


def batch_seed(seed: int, step: int, rank: int = 0, micro: int = 0) -> int:
    """What is random in the batch of one forward pass comes from this; below 2**63."""
    return _seed(seed, _AUGMENTATIONS, step, rank, micro)


def layer_seed(seed: int, step: int, rank: int = 0, micro: int = 0) -> int:
    """What is random in the layers (dropout) of one forward pass comes from this."""
    return _seed(seed, _LAYERS, step, rank, micro)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)

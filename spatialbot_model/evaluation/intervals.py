"""Intervals of 95 %: exact for shares, bootstrap for means of anything else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

_RESAMPLES = 10_000


def exact_rate(successes: int, n: int, confidence: float = 0.95) -> dict[str, Any] | None:
    """A share in percent with its Clopper-Pearson interval; None without trials."""
    if n == 0:
        return None
    interval = binomtest(successes, n).proportion_ci(confidence, method="exact")
    return {
        "percent": 100.0 * successes / n,
        "low": 100.0 * float(interval.low),
        "high": 100.0 * float(interval.high),
        "successes": successes,
        "n": n,
        "interval": "exact",
    }


def bootstrap_mean(
    values: Sequence[float], seed: int = 0, confidence: float = 0.95
) -> dict[str, Any] | None:
    """A mean with its percentile bootstrap interval; the same for the same values and seed.

    Args:
        values: one for each independent unit, such as a pair of questions.
    """
    if not values:
        return None
    data = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    means = np.array(
        [data[rng.integers(0, len(data), len(data))].mean() for _ in range(_RESAMPLES)]
    )
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return {
        "percent": float(data.mean()),
        "low": float(low),
        "high": float(high),
        "n": len(data),
        "interval": "bootstrap",
    }

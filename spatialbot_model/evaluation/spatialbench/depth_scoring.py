"""How good depth answers are.

With p the answer and g the truth in millimetres, and r = max(p / g, g / p):

- ratio accuracy at t: share of questions with r < t, for t = 1.01, 1.1, 1.25, 1.25^2 and 1.25^3;
  the score is the one at 1.25, the usual first threshold of depth estimation;
- median relative error: median of |p - g| / g over all questions.

An answer without exactly one depth is invalid: wrong at every threshold, and its error is
infinite, so that the median is only finite when most answers are valid.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialbot_model.evaluation.intervals import exact_rate
from spatialbot_model.evaluation.spatialbench.answer_parsing import depth_mm_in

THRESHOLDS = {"1.01": 1.01, "1.1": 1.1, "1.25": 1.25, "1.25^2": 1.25**2, "1.25^3": 1.25**3}
_SCORED = "1.25"
_RESAMPLES = 2_000


def score_depths(expected_mm: Sequence[int], responses: Sequence[str]) -> dict[str, Any]:
    """Score depth answers.

    Args:
        expected_mm: positive.

    Returns:
        `score`, `ratio_accuracy` by threshold, `median_relative_error` with a bootstrap interval
        (None for infinite), `invalid` and `n`.
    """
    depths = [depth_mm_in(text) for text in responses]
    ratios, errors = [], []
    for truth_mm, depth_mm in zip(expected_mm, depths, strict=True):
        if depth_mm is None or depth_mm <= 0.0:
            ratios.append(np.inf)
            errors.append(np.inf if depth_mm is None else 1.0)
        else:
            ratios.append(max(depth_mm / truth_mm, truth_mm / depth_mm))
            errors.append(abs(depth_mm - truth_mm) / truth_mm)
    accuracy = {
        name: exact_rate(sum(ratio < limit for ratio in ratios), len(ratios))
        for name, limit in THRESHOLDS.items()
    }
    return {
        "n": len(depths),
        "invalid": sum(depth is None for depth in depths),
        "score": accuracy[_SCORED],
        "ratio_accuracy": accuracy,
        "median_relative_error": _median(errors),
    }


def _median(errors: Sequence[float]) -> dict[str, float | None] | None:
    if not errors:
        return None
    data = np.sort(np.asarray(errors, np.float64))
    rng = np.random.default_rng(0)
    # of sorted data the lower median is an element, also where others are infinite
    middle = (len(data) - 1) // 2
    drawn = np.sort(rng.integers(0, len(data), (_RESAMPLES, len(data))), axis=1)[:, middle]
    low, high = np.percentile(drawn, [2.5, 97.5], method="nearest").astype(int)
    values = {"value": data[middle], "low": data[low], "high": data[high]}
    return {name: float(v) if np.isfinite(v) else None for name, v in values.items()}

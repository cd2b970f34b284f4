"""Statistics of a dataset's columns and images, in the form LeRobot stores them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}


def column_stats(values: NDArray[Any]) -> dict[str, list[Any]]:
    """min, max, mean, std, count and `QUANTILES` over the rows.

    Args:
        values: (N, ...) numbers or flags, N >= 1.

    Returns:
        Lists of the shape of a row; of length 1 for single values. ``count`` is ``[N]``.
    """
    rows = np.asarray(values)
    rows = rows.reshape(len(rows), -1)
    numbers = rows.astype(np.float64)
    stats = {
        "min": rows.min(axis=0),
        "max": rows.max(axis=0),
        "mean": numbers.mean(axis=0),
        "std": numbers.std(axis=0),
        "count": np.array([len(rows)]),
    }
    stats |= dict(
        zip(QUANTILES, np.quantile(numbers, list(QUANTILES.values()), axis=0), strict=True)
    )
    return {name: value.tolist() for name, value in stats.items()}


class ColorHistogram:
    """Counts the values of each colour channel; gives the same statistics, scaled to 0..1."""

    _EVERY_PX = 4  # a sixteenth of the pixels says as much

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), dtype=np.int64)
        self._num_images = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Count one (H, W, 3) image."""
        sampled = image[:: self._EVERY_PX, :: self._EVERY_PX]
        for channel in range(3):
            self._counts[channel] += np.bincount(sampled[..., channel].ravel(), minlength=256)
        self._num_images += 1

    def merge(self, other: "ColorHistogram") -> None:
        """Count what `other` has counted."""
        self._counts += other._counts
        self._num_images += other._num_images

    def stats(self) -> dict[str, list[Any]]:
        """As `column_stats`, each of shape (3, 1, 1); ``count`` is the number of images."""
        levels = np.arange(256) / 255.0
        total = self._counts.sum(axis=1, keepdims=True)
        mean = (self._counts * levels).sum(axis=1) / total[:, 0]
        square = (self._counts * levels**2).sum(axis=1) / total[:, 0]
        cumulated = np.cumsum(self._counts, axis=1) / total
        stats = {
            "min": np.array([levels[row > 0].min() for row in self._counts]),
            "max": np.array([levels[row > 0].max() for row in self._counts]),
            "mean": mean,
            "std": np.sqrt(np.maximum(square - mean**2, 0.0)),
        }
        for name, quantile in QUANTILES.items():
            stats[name] = np.array([levels[np.searchsorted(row, quantile)] for row in cumulated])
        shaped = {name: value.reshape(3, 1, 1).tolist() for name, value in stats.items()}
        return shaped | {"count": [self._num_images]}

"""How smoothly a tool moved, from positions sampled at a fixed rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Smoothness:
    """Figures of one path.

    Attributes:
        path_m: its length.
        acceleration_m_s2, jerk_m_s3: mean size of second and third differences over time; None
            where the path is too short for one.
    """

    path_m: float
    acceleration_m_s2: float | None
    jerk_m_s3: float | None


def smoothness_of(positions_m: Sequence[NDArray[np.float64]], rate_hz: float) -> Smoothness:
    """Figures of a path.

    Args:
        positions_m: (3,) each, in the order of time.
        rate_hz: samples per second.
    """
    path_m = np.asarray(positions_m, np.float64).reshape(-1, 3)

    def mean_size(order: int) -> float | None:
        if len(path_m) <= order:
            return None
        differences = np.diff(path_m, order, axis=0) * rate_hz**order
        return float(np.linalg.norm(differences, axis=1).mean())

    length_m = float(np.linalg.norm(np.diff(path_m, axis=0), axis=1).sum())
    return Smoothness(length_m, mean_size(2), mean_size(3))

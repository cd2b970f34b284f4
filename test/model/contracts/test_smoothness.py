"""Smoothness of paths whose derivatives are known."""

import numpy as np
import pytest

from spatialbot_model.contracts.smoothness import smoothness_of

RATE_HZ = 10.0


def path(polynomial: list[float], num: int = 12) -> list[np.ndarray]:
    times_s = np.arange(num) / RATE_HZ
    return [np.array([x, 0.0, 0.5]) for x in np.polyval(polynomial, times_s)]


def test_a_straight_way_is_smooth() -> None:
    figures = smoothness_of(path([0.2, 0.0]), RATE_HZ)
    assert figures.path_m == pytest.approx(0.2 * 1.1)
    assert figures.acceleration_m_s2 == pytest.approx(0.0, abs=1e-9)
    assert figures.jerk_m_s3 == pytest.approx(0.0, abs=1e-8)


def test_acceleration_and_jerk_are_those_of_the_path() -> None:
    assert smoothness_of(path([1.5, 0.0, 0.0]), RATE_HZ).acceleration_m_s2 == pytest.approx(3.0)
    assert smoothness_of(path([2.0, 0.0, 0.0, 0.0]), RATE_HZ).jerk_m_s3 == pytest.approx(12.0)


@pytest.mark.parametrize("num", [0, 1, 2])
def test_short_paths_have_no_acceleration(num: int) -> None:
    figures = smoothness_of(path([1.0, 0.0], num), RATE_HZ)
    assert figures.acceleration_m_s2 is None and figures.jerk_m_s3 is None
    assert figures.path_m == pytest.approx(0.1 if num == 2 else 0.0)

"""The loader's figures are not asserted; that both sides read the same is."""

import math
from pathlib import Path

import pytest
import synthetic_episode as synthetic

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks import loader


def test_both_sides_are_measured_on_one_dataset(tmp_path: Path) -> None:
    for name in "ab":
        synthetic.write_episode(tmp_path / name)
    result = loader.run(
        source=str(tmp_path), size=32, workers=1, num_samples=20, num_naive_samples=5
    )
    assert result.figures["samples"] == 12
    assert all(math.isfinite(value) and value > 0 for value in result.figures.values())
    figures = result.figures
    assert result.ratio == pytest.approx(
        figures["cached_samples_s"] / figures["naive_samples_s"], rel=1e-2
    )
    # the bags were only read
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_figures_of_different_frames_are_refused() -> None:
    class Fixed:
        def __init__(self, value: int) -> None:
            self.value = value

        def images(self, number: int) -> list:
            return [(synthetic.color_of(self.value), synthetic.depth_of(self.value))]

    loader._check_equal(Fixed(1), [Fixed(1)], [0])
    with pytest.raises(ConfigurationError, match="differs"):
        loader._check_equal(Fixed(1), [Fixed(1), Fixed(2)], [0])


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        loader.run(workers=0)

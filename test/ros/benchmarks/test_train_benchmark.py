"""The training benchmark: both sides learn the same, and it reports what a script needs."""

import json

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks import run_benchmark


def test_cached_and_live_features_are_compared_before_the_clock_starts() -> None:
    result = run_benchmark(
        "train", batch_size=2, num_batches=1, num_naive_batches=1, num_episodes=1, num_steps=5
    )
    data = json.loads(result.to_json())
    figures = data["figures"]
    assert data["n"] == 2 and data["ratio"] > 0
    assert figures["samples_s"] > 0 and figures["uncached_samples_s"] > 0
    assert 0 <= figures["data_wait_percent"] <= 100


def test_numbers_that_measure_nothing_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="above 0"):
        run_benchmark("train", num_batches=0)

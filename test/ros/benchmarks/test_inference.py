"""The inference benchmark compares what it says, on the smallest model."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.benchmarks import BENCHMARKS, run_benchmark
from spatialbot_ros.benchmarks.synthetic_frames import synthetic_frames


def test_engine_and_generate_agree_and_both_are_timed() -> None:
    result = run_benchmark(
        "inference", preset="tiny", num_steps=4, num_naive_steps=2, num_compared=5, device="cpu"
    )
    figures = result.figures
    assert figures["equal_token_for_token"] == figures["compared"] == 5
    assert figures["images"] == 8 and figures["prompt_tokens"] > 8 * 16
    assert figures["naive_answer_tokens"] > 30
    assert result.n == 4 and result.ratio > 0
    assert result.machine["model"] == "tiny" and result.machine["device"] == "cpu"


def test_options_of_a_command_line() -> None:
    benchmark = BENCHMARKS["inference"]
    assert benchmark.parse_options({"num_steps": "7", "preset": "tiny"}) == {
        "num_steps": 7,
        "preset": "tiny",
    }
    with pytest.raises(UnknownNameError, match="num_steps"):
        benchmark.parse_options({"steps": "7"})
    with pytest.raises(ConfigurationError, match="is no int"):
        benchmark.parse_options({"num_steps": "many"})


def test_frames_differ_and_repeat_by_seed() -> None:
    first, again, other = (list(synthetic_frames(2, seed)) for seed in (1, 1, 2))
    assert (first[0].color == again[0].color).all() and (
        first[1].depth_mm == again[1].depth_mm
    ).all()
    assert (first[0].color != first[1].color).any() and (first[0].color != other[0].color).any()
    assert 0.03 < (first[0].depth_mm == 0).mean() < 0.07

"""Benchmarks report what a script needs; their figures are not asserted, their honesty is."""

import importlib.util
import json
import math

import numpy as np
import pytest

from spatialbot_model.contracts.depth_codec import encode_depth
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.benchmarks import BENCHMARKS, Benchmark, BenchmarkResult, run_benchmark
from spatialbot_ros.benchmarks.codec import released_decode, released_encode, tabletop_depth
from spatialbot_ros.benchmarks.result import describe_machine


def test_codec_reports_one_json_object_with_the_agreed_keys() -> None:
    result = run_benchmark("codec", repeats=3)
    data = json.loads(result.to_json())
    assert set(data) == {"name", "figures", "baseline", "ratio", "n", "machine"}
    assert data["name"] == "codec"
    assert data["n"] == 3
    figures = data["figures"]
    assert all(math.isfinite(value) and value > 0 for value in figures.values())
    assert data["ratio"] == pytest.approx(
        figures["encode_baseline_median_ms"] / figures["encode_median_ms"], rel=1e-2
    )


def test_the_baseline_is_the_released_formula() -> None:
    # 1057 mm -> (4, 8, 8) and 65535 mm -> (252, 248, 248), measured on the released code
    depth_mm = np.array([[1057, 65535]], np.uint16)
    assert released_encode(depth_mm).tolist() == [[[4, 8, 8], [252, 248, 248]]]
    every_mm = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(released_encode(every_mm), encode_depth(every_mm))
    np.testing.assert_array_equal(released_decode(released_encode(every_mm)), every_mm)


def test_the_measured_image_is_a_full_camera_image_with_holes() -> None:
    depth_mm = tabletop_depth()
    assert depth_mm.shape == (480, 640)
    assert depth_mm.dtype == np.uint16
    assert 0.03 < np.mean(depth_mm == 0) < 0.07
    assert np.array_equal(depth_mm, tabletop_depth())


def test_every_entry_says_what_it_measures_and_points_to_a_module() -> None:
    assert {"codec", "transport"} <= set(BENCHMARKS)
    for benchmark in BENCHMARKS.values():
        assert "against" in benchmark.description
        assert importlib.util.find_spec(benchmark.module) is not None


def test_the_machine_is_described() -> None:
    machine = describe_machine()
    assert set(machine) == {"cpu", "cores", "system", "python", "numpy"}
    assert machine["cores"] >= 1
    assert all(machine.values())


def test_bad_names_arguments_and_results_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"codec, .*transport"):
        run_benchmark("warp")
    with pytest.raises(ConfigurationError, match="repeats"):
        run_benchmark("codec", repeats=0)
    with pytest.raises(ConfigurationError, match="BenchmarkResult"):
        Benchmark("tabletop", "spatialbot_ros.benchmarks.codec", "tabletop_depth")()
    with pytest.raises(ValueError, match="JSON"):
        BenchmarkResult("x", {"nothing": float("nan")}, "y", 1.0, 1).to_json()

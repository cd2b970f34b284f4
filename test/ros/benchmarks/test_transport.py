"""The transport benchmark measures real processes and counts honestly; figures are not asserted."""

import json

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks import run_benchmark
from spatialbot_ros.benchmarks import transport as transport_module


def test_both_profiles_are_measured_across_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "34")
    data = json.loads(run_benchmark("transport", seconds=0.4).to_json())
    figures = data["figures"]
    assert data["n"] == figures["sent"] == figures["sent_baseline"] == 12
    for profile in ("", "_baseline"):
        assert 0 <= figures[f"lost{profile}"] < 12
        assert 0.0 < figures[f"latency{profile}_median_ms"] <= figures[f"latency{profile}_p99_ms"]
    assert data["ratio"] > 0


def test_less_than_a_frame_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"0\.07"):
        run_benchmark("transport", seconds=0.01)


def test_a_process_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "_PROBE", "json.tool")
    with pytest.raises(transport_module.TransportBenchmarkError, match="no answer"):
        run_benchmark("transport", seconds=0.1)

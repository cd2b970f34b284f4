"""Camera images across processes: the shipped Fast DDS profile against the default one."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts.errors import ConfigurationError, SpatialBotError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.benchmarks.result import BenchmarkResult

RATE_HZ = 15.0
BASELINE = "Fast DDS's default transports, same images, QoS and processes"
_PROBE = "spatialbot_ros.nodes.transport_probe"
_START_S = 60.0


class TransportBenchmarkError(SpatialBotError):
    """One of the measured processes did not do its part."""


def run(seconds: float = 60.0) -> BenchmarkResult:
    """Publish 640x480 rgb8 and 16UC1 at 15 Hz for `seconds` with each profile in turn.

    Latency is from before a message is filled to the listener's callback in another
    process. The ratio is that of the median latencies.

    Raises:
        ConfigurationError: less than one frame would be sent.
        TransportBenchmarkError: a process failed, or a profile delivered nothing.
    """
    num_frames = int(seconds * RATE_HZ)
    if num_frames < 1:
        raise ConfigurationError(
            f"seconds is {seconds}, expected at least {1.0 / RATE_HZ:.2f} (one frame)"
        )
    figures: dict[str, float] = {}
    for name, profile in (("", find_resource("config/fastdds.xml")), ("_baseline", None)):
        latencies_ms, num_sent = _measure(num_frames, profile)
        figures[f"sent{name}"] = num_sent
        figures[f"lost{name}"] = num_sent - len(latencies_ms)
        figures[f"latency{name}_median_ms"] = round(float(np.median(latencies_ms)), 3)
        figures[f"latency{name}_p99_ms"] = round(float(np.percentile(latencies_ms, 99)), 3)
    return BenchmarkResult(
        name="transport",
        figures=figures,
        baseline=BASELINE,
        ratio=round(figures["latency_baseline_median_ms"] / figures["latency_median_ms"], 3),
        n=num_frames * 2,
    )


def _measure(num_frames: int, profile: Path | None) -> tuple[list[float], int]:
    """Latencies [ms] of the images that arrived, and how many were sent."""
    environment = _environment(profile)
    limit_s = num_frames / RATE_HZ + _START_S
    listener = _start("listen", num_frames, environment)
    try:
        publisher = _start("publish", num_frames, environment)
        try:
            sent = _answer(publisher, limit_s)
            # the end of its input tells the listener that nothing more will come
            received = _answer(listener, limit_s)
        finally:
            _end(publisher)
    finally:
        _end(listener)
    latencies_ms = [float(value) for value in received["latencies_ms"]]
    if not latencies_ms:
        raise TransportBenchmarkError(
            f"none of {sent['sent']} images arrived with {profile or 'the default profile'}; is"
            " shared memory (/dev/shm) or loopback networking restricted here?"
        )
    return latencies_ms, int(sent["sent"])


def _environment(profile: Path | None) -> dict[str, str]:
    environment = dict(os.environ)
    environment["RMW_IMPLEMENTATION"] = "rmw_fastrtps_cpp"
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    for variable in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        environment.pop(variable, None)
    if profile is not None:
        environment["FASTDDS_DEFAULT_PROFILES_FILE"] = str(profile)
    return environment


def _start(end: str, num_frames: int, environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", _PROBE, end, f"--frames={num_frames}", f"--rate-hz={RATE_HZ}"],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _answer(process: "subprocess.Popen[str]", limit_s: float) -> Mapping[str, Any]:
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired as error:
        raise TransportBenchmarkError(
            f"a measured process did not end within {limit_s:.0f} s"
        ) from error
    try:
        answer: Mapping[str, Any] = json.loads(output)
    except json.JSONDecodeError as error:
        raise TransportBenchmarkError(
            f"a measured process ended with code {process.returncode} and no answer; see its"
            " error output above"
        ) from error
    if "error" in answer:
        raise TransportBenchmarkError(f"a measured process failed: {answer['error']}")
    return answer


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

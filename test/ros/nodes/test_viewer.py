"""The viewer as its own process: what is published ends in the .rrd file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_double import LabDouble

from spatialbot_model.contracts import episode as contract

DOMAIN_ID = os.environ.get("ROS_DOMAIN_ID", "36")
TIMEOUT_S = 60.0


@pytest.fixture(autouse=True)
def ros_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN_ID)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def start_viewer(*parameters: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "spatialbot_ros.nodes.viewer", "--ros-args"]
    for parameter in parameters:
        command += ["-p", parameter]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


@pytest.fixture
def lab(ros_environment: None) -> Iterator[LabDouble]:
    lab = LabDouble()
    yield lab
    lab.close()


def test_what_is_published_is_saved(lab: LabDouble, tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.rrd"
    process = start_viewer("mode:=save", f"path:={path}")
    try:
        lab.calibrate()
        deadline_s = time.monotonic() + TIMEOUT_S
        while any(
            lab.publishers[topic].get_subscription_count() == 0
            for topic in (contract.COLOR_TOPIC, contract.DEPTH_TOPIC, contract.EE_POSE_TOPIC)
        ):
            assert time.monotonic() < deadline_s, "the viewer never subscribed"
            time.sleep(0.02)
        for _ in range(8):
            lab.publish_step()
        lab.wait_sent()
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, complaints
    finally:
        process.kill()
        process.wait(TIMEOUT_S)
    data = path.read_bytes()
    for entity in (b"world/camera/color", b"world/depth_camera/depth", b"plots/position"):
        assert entity in data


def test_save_without_a_path_is_a_clear_error() -> None:
    process = start_viewer("mode:=save")
    _, complaints = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert b"needs the parameter path" in complaints

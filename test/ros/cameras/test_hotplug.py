"""A D435 that librealsense sees over DDS is pulled out and put back; real hot-plug events."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from dds_d435 import SERIAL_NO

from spatialbot_ros import camera_faults as cf

PROGRAM = Path(__file__).parents[1] / "dds_hotplug.py"
NETWORK = "ip link set lo up && ip link set lo multicast on"
TIMEOUT_S = 200.0

pytestmark = pytest.mark.timeout(250)


def own_network(command: str, timeout_s: float) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["unshare", "--net", "bash", "-c", f"{NETWORK} && {command}"],
        capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip


def test_a_d435_that_is_pulled_out_is_lost_at_once_and_resumes_when_it_is_back() -> None:
    try:
        if own_network("true", 30.0).returncode != 0:
            pytest.skip("needs the right to make a network namespace")
    except FileNotFoundError:
        pytest.skip("needs unshare and ip")
    done = own_network(f"exec {sys.executable} {PROGRAM}", TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["serial_no"] == SERIAL_NO
    assert "unplugged" in told["trouble"]
    assert told["failures"] == []
    assert told["faults"][cf.CAMERA_LOST] >= 1
    assert told["faults"][cf.CAMERA_CALIBRATION] == told["faults"][cf.CAMERA_FROZEN] == 0
    assert len(told["stamps_ns"]) >= 10

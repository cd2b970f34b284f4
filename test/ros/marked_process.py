"""Runs `spatialbot` as a user would, in an own ROS domain, and finds what it leaves behind."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

_MARK = "SPATIALBOT_TEST_MARK"


class MarkedRun:
    """Test helper: everything started through it carries a mark in its environment."""

    def __init__(self, domain_offset: int = 0) -> None:
        domain_id = (int(os.environ["ROS_DOMAIN_ID"]) + domain_offset) % 100
        self._value = uuid.uuid4().hex
        self.environment = {
            **os.environ,
            _MARK: self._value,
            "ROS_DOMAIN_ID": str(domain_id),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        }

    def start(self, *arguments: str, log: Path) -> "subprocess.Popen[bytes]":
        """``spatialbot ARGUMENTS`` in the background, all output into `log`."""
        command = [sys.executable, "-m", "spatialbot_ros.cli", *arguments]
        with log.open("wb") as output:
            return subprocess.Popen(
                command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self, *arguments: str, timeout_s: float) -> "subprocess.CompletedProcess[str]":
        """``spatialbot ARGUMENTS`` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "spatialbot_ros.cli", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def alive(self) -> list[str]:
        """Command lines of the marked processes that still run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if f"{_MARK}={self._value}".encode() in environment and command:
                found.append(command.replace(b"\0", b" ").decode())
        return found


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Poll until the condition holds; fails with `what` when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s} s for {what}"
        time.sleep(0.05)

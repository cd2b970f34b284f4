"""Test double: a process with a simulated FR3 (`fr3_double.py`) at an address of its own."""

import json
import subprocess
import sys
import time
from pathlib import Path

from spatialbot_ros.configuration import load_cell


class RobotProcess:
    """A running `fr3_double.py`; `tell` it to fail."""

    def __init__(self, address):
        self.address = address
        home = json.dumps([float(q) for q in load_cell().home_joints_rad])
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fr3_double.py")), address, home],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdout.close()
        self.process.wait(10)


def wait_until(condition, timeout_s=60.0):
    """First true value of the condition; fails when none comes in time."""
    ends_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < ends_s, f"not within {timeout_s} s"
        time.sleep(0.005)
    return value

"""How the test process begins and ends."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from spatialbot_model.contracts.scheduling import schedule_ordinarily

# a busy machine is no defect
settings.register_profile("without-clock", settings.default, deadline=None)
settings.load_profile("without-clock")

# helpers of all test folders
sys.path.insert(0, str(Path(__file__).parent))

# a ROS domain of its own, so that neither a robot nor another run is disturbed
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 90))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

_exit_status = 0


@pytest.fixture(autouse=True)
def _ordinary_scheduling() -> Iterator[None]:
    """franky makes the thread that connects a real-time one, and child processes inherit that.

    A whole stack of nodes at real-time priority starves itself and everything else on two cores.
    Afterwards as well: nodes of the next module's fixtures are made before its first test.
    """
    schedule_ordinarily()
    yield
    schedule_ordinarily()


_POLICY_THREADS = ("policy-client", "policy", "policy-close")
_END_TIMEOUT_S = 10.0


@pytest.fixture(autouse=True, scope="module")
def _no_policy_is_left_open() -> Iterator[None]:
    """A client that nobody closes reconnects for ever, and takes the other tests' time."""
    yield

    def left() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name in _POLICY_THREADS]

    deadline_s = time.monotonic() + _END_TIMEOUT_S
    while left() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not left(), "close every policy and every PolicyClient, also those that fail to start"


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember the status for `pytest_unconfigure`."""
    global _exit_status
    _exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without running the C libraries' exit handlers.

    The tests load Fast DDS, franky, librealsense, MuJoCo, rerun and matplotlib into one process,
    which no node does. Together they register more than the 32 exit handlers that glibc keeps
    in its static block, and after a whole run (not after any single folder) glibc crashes in
    `__run_exit_handlers` on a block that one of them has overwritten. All reports are written
    by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os._exit(_exit_status)

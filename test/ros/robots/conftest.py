"""Fixtures: a simulated FR3 behind the real protocol."""

import pytest
from own_address import own_address
from robot_process import RobotProcess


@pytest.fixture(scope="module")
def robot_process():
    """One simulated FR3 for the tests of a module."""
    process = RobotProcess(own_address())
    yield process
    process.close()


@pytest.fixture
def doomed_robot_process():
    """A simulated FR3 that the test may break."""
    process = RobotProcess(own_address())
    yield process
    process.close()

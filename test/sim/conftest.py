"""What the tests of the simulated lab share: the cell and off-screen OpenGL."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.resources import find_resource
from spatialbot_sim.lab import LabOptions

# makes the helpers of this folder importable by the tests in it
sys.path.insert(0, str(Path(__file__).parent))

from own_address import own_address
from running_lab import RunningLab

# a display that happens to be there must not change which renderer is tested
os.environ["MUJOCO_GL"] = "egl"


@pytest.fixture(scope="session")
def cell() -> Cell:
    """The cell of this repository."""
    return Cell.from_mapping(yaml.safe_load(find_resource("config/cell.yaml").read_text()))


@pytest.fixture
def address() -> str:
    """A loopback address that no other test run on this machine uses."""
    return own_address()


@pytest.fixture
def start_lab(cell: Cell, address: str) -> Iterator[Callable[..., RunningLab]]:
    """Starts labs on the test's address and ends them after it."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            RunningLab(cell, LabOptions(address=address, **options))
        )

"""What the tests of the simulated lab share: the cell and off-screen OpenGL."""

import os

import pytest
import yaml

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.resources import find_resource

# a display that happens to be there must not change which renderer is tested
os.environ["MUJOCO_GL"] = "egl"


@pytest.fixture(scope="session")
def cell() -> Cell:
    """The cell of this repository."""
    return Cell.from_mapping(yaml.safe_load(find_resource("config/cell.yaml").read_text()))

"""Tiny checkpoints, and the doubles of this folder importable."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from samples import create_lively_checkpoint

from spatialbot_model.inference.checkpoints import load_checkpoint
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor

Checkpoint = tuple[SpatialBotForConditionalGeneration, SpatialBotProcessor]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the tiny preset, random weights, for the default robot."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    create_lively_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Checkpoint:
    """Its model and processor; use them, do not change them."""
    return load_checkpoint(tiny_folder, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="session")
def tiny_parallel(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """As `tiny`, for decoding seven actions at once."""
    folder = tmp_path_factory.mktemp("checkpoints") / "parallel"
    create_lively_checkpoint(folder, parallel_actions=True)
    return load_checkpoint(folder, torch.device("cpu"), torch.float32)

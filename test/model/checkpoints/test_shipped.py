"""A checkpoint is named by its folder, or by the name of one that is shipped."""

from pathlib import Path

import numpy as np
import pytest

from spatialbot_model import checkpoints
from spatialbot_model.checkpoints import (
    DEFAULT_CHECKPOINT,
    checkpoint_folder,
    shipped_checkpoints,
)
from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.contracts.transforms import compose
from spatialbot_model.contracts.types import CameraIntrinsics, Observation, RgbdFrame, RobotState
from spatialbot_model.evaluation.trials_file import checkpoint_hash
from spatialbot_model.inference.engine import Engine
from spatialbot_model.inference.options import EngineOptions
from spatialbot_ros.configuration import load_action_spec

CAMERA = CameraIntrinsics(64, 48, 60.0, 60.0, 32.0, 24.0)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the folder of shipped checkpoints."""
    for name in ("mini-rgb", "mini-rgbd"):
        (tmp_path / "shipped" / name).mkdir(parents=True)
        (tmp_path / "shipped" / name / "config.json").touch()
    (tmp_path / "shipped" / "__pycache__").mkdir()
    monkeypatch.setattr(checkpoints, "_FOLDER", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shipped"


def test_names_and_folders(shipped: Path, tmp_path: Path) -> None:
    assert shipped_checkpoints() == ("mini-rgb", "mini-rgbd")
    assert checkpoint_folder("default") == checkpoint_folder("mini-rgbd") == shipped / "mini-rgbd"
    own = tmp_path / "mini-rgb"
    own.mkdir()
    assert checkpoint_folder("mini-rgb") == checkpoint_folder(own) == own


@pytest.mark.parametrize("name", ["nothing", "../shipped/none"])
def test_what_is_missing_is_told(shipped: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="mini-rgb, mini-rgbd"):
        checkpoint_folder(name)


def test_what_is_shipped_is_small_has_its_own_card_and_acts() -> None:
    names = shipped_checkpoints()
    assert DEFAULT_CHECKPOINT in names
    for name in names:
        folder = checkpoint_folder(name)
        assert sum(path.stat().st_size for path in folder.iterdir()) < 30e6
        card = (folder / "README.md").read_text()
        # its scores are those of these weights
        assert f"Weights: `{checkpoint_hash(folder)}`" in card and "In closed loop" in card
        assert "/home/" not in card and "/tmp/" not in card + (folder / "training.json").read_text()
        engine = Engine.load(name, EngineOptions(device="cpu"), action_spec=load_action_spec())
        T = compose(np.diag([1.0, -1.0, -1.0]), [0.36, 0.0, 0.30])
        black = RgbdFrame(0, np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint16), CAMERA)
        robot = RobotState(T, T, 0.08, False)
        step = engine.act(engine.session(), Observation((black,) * 4, "lift it", np.eye(4), robot))
        assert step.bins is None or len(step.bins) == 7
        assert step.text.startswith("The robot ")

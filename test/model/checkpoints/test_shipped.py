"""A checkpoint is named by its folder, or by the name of one that is shipped."""

from pathlib import Path

import pytest

from spatialbot_model import checkpoints
from spatialbot_model.checkpoints import checkpoint_folder, shipped_checkpoints
from spatialbot_model.contracts.errors import CheckpointError


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

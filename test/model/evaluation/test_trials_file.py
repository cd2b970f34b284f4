"""Results on disk: go on where they ended, refuse what does not belong together."""

from pathlib import Path

import pytest

from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.evaluation.trials_file import TRIALS_FILE, TrialsFolder, checkpoint_hash

CONDITIONS = {"policy": "local", "checkpoint_hash": "abc", "max_steps": 200}


def trial(seed: int) -> Trial:
    return Trial("pick_place", "basic", seed, "", "do it", True, "", "", "finished", 10)


def test_an_interrupted_evaluation_goes_on(tmp_path: Path) -> None:
    first = TrialsFolder.open(tmp_path / "run", CONDITIONS)
    assert first.trials == []
    first.add(trial(1))
    first.add(trial(2))
    file = tmp_path / "run" / TRIALS_FILE
    # a crash in the middle of a line
    file.write_bytes(file.read_bytes()[:-20])
    second = TrialsFolder.open(tmp_path / "run", CONDITIONS)
    assert second.trials == [trial(1)]
    second.add(trial(3))
    assert TrialsFolder.read(tmp_path / "run").trials == [trial(1), trial(3)]


def test_other_conditions_are_refused(tmp_path: Path) -> None:
    TrialsFolder.open(tmp_path, {**CONDITIONS, "checkpoint": "here"})
    TrialsFolder.open(tmp_path, {**CONDITIONS, "checkpoint": "there"})
    with pytest.raises(ConfigurationError, match="checkpoint_hash: 'abc', now 'def'"):
        TrialsFolder.open(tmp_path, {**CONDITIONS, "checkpoint_hash": "def"})


def test_a_folder_without_an_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no evaluation"):
        TrialsFolder.read(tmp_path)


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights" if name != "c" else b"Weights")
    hashes = [checkpoint_hash(tmp_path / name) for name in ("a", "b", "c")]
    assert hashes[0] == hashes[1] != hashes[2]
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint_hash(tmp_path / "nowhere")

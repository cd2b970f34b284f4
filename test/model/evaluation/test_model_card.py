"""The card of a checkpoint tells what stands in its files and what its trials came to."""

import json
from pathlib import Path

import pytest

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.evaluation.model_card import write_model_card
from spatialbot_model.evaluation.trials_file import TrialsFolder, checkpoint_hash
from spatialbot_model.inference.checkpoints import create_checkpoint
from spatialbot_model.training.cards import CARD_NAME, card_writer
from spatialbot_model.training.recipes import mini_rgbd

SCORES = {
    **{f"error/{axis}_mm": 1.25 for axis in ("dx", "dy", "dz")},
    **{f"error/{axis}_deg": 0.5 for axis in ("droll", "dpitch", "dyaw")},
    "error/gripper": 0.015,
}


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    create_checkpoint("tiny", folder, seed=0, action_spec=ActionSpec())
    write = card_writer(
        mini_rgbd(),
        data_digest="0123456789abcdef0123",
        data=("/home/me/bags=0.5",),
        notes=("/home/me/bags: 12 episodes used", "30 samples to learn from"),
        start="/home/me/out/grounding",
    )
    write(folder, 700, SCORES, 600.0)
    return folder


def evaluated(folder: Path, digest: str) -> Path:
    conditions = {"environment": "fast", "checkpoint_hash": digest, "max_steps": 200}
    trials = TrialsFolder.open(folder, {**conditions, "depth": "zero"})
    for seed in range(980_000, 980_004):
        good = seed % 2 == 0
        failure = "" if good else "time-out"
        trials.add(Trial("pick_place", "basic", seed, "", "do it", good, failure, "", "end", 10))
    return folder


def test_it_tells_what_it_is_how_it_came_about_and_what_it_scores(
    trained: Path, tmp_path: Path
) -> None:
    trials = evaluated(tmp_path / "trials", checkpoint_hash(trained))
    card = write_model_card(trained, "tiny", [trials], limits="Never grasps bottles.\n")
    text = card.read_text()
    assert text.startswith("---\nlibrary_name: spatialbot\n") and "\n# tiny\n" in text
    assert ActionSpec().id in text and "700 steps from grounding" in text
    assert "| basic | 50.0% | 4 | 15.0% to 85.0% |" in text and "time-out 2" in text
    assert "seeds 980000 to 980003" in text and "depth zero" in text
    assert "| 1.25 mm | 1.25 mm | 1.25 mm | 0.50° | 0.50° | 0.50° | 0.015 |" in text
    assert "- bags: 12 episodes used\n- 30 samples" in text
    assert text.endswith("## Limits\n\nNever grasps bottles.\n")
    # where it lay on one machine concerns nobody
    assert "/home" not in text + (trained / CARD_NAME).read_text()
    # the card is no part of what the trials were run with
    assert (
        checkpoint_hash(trained) == json.loads((trials / "run.json").read_text())["checkpoint_hash"]
    )


def test_trials_of_other_weights_and_untrained_ones_are_refused(
    trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="trials of other weights"):
        write_model_card(trained, "tiny", [evaluated(tmp_path / "trials", "abc")])
    (trained / CARD_NAME).unlink()
    with pytest.raises(CheckpointError, match="spatialbot train"):
        write_model_card(trained, "tiny", [])

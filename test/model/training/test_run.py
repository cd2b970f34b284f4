"""From bags and question files to a checkpoint that acts: the whole way, with tiny models."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import synthetic_episode as synthetic
from scripted_bag import Step, write_bag
from toy_training import files_of

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    RecordingError,
)
from spatialbot_model.inference.checkpoints import create_checkpoint
from spatialbot_model.inference.engine import Engine
from spatialbot_model.training.cards import CARD_NAME
from spatialbot_model.training.loop import Progress, TrainingResult
from spatialbot_model.training.recipes import make_recipe
from spatialbot_model.training.run import TrainingRequest, run_training

FEW = {
    "steps": "6",
    "batch_size": "4",
    "micro_batch_size": "2",
    "evaluate_every": "6",
    "log_every": "2",
    "save_every": "2",
    "learning_rate": "3e-3",
    "precision": "float32",
    "export_precision": "float32",
}
TALK = FEW | {"preset": "tiny", "data.history": "1", "validation_share": "0"}


def make_start(preset: str, folder: Path, seed: int, spec: ActionSpec | None) -> None:
    create_checkpoint(preset, folder, seed=seed, action_spec=spec, vision_weights="random")


def run(
    recipe: str, settings: dict[str, str], data: Any, folder: Path, **values: Any
) -> tuple[TrainingResult, list[Progress], list[str]]:
    seen: list[Progress] = []
    notes: list[str] = []
    request = TrainingRequest(
        recipe=make_recipe(recipe, settings),
        data=tuple(str(each) for each in (data if isinstance(data, list) else [data])),
        folder=folder,
        cache=folder.parent / "cache",
        make_start=make_start,
        **values,
    )
    result = run_training(request, observer=seen.append, report=notes.append)
    return result, seen, notes


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    for number in range(2):
        steps = [Step(k, (40 + k, 50, 50, 50, 50, 50, 100 * (k > 2))) for k in range(5)]
        write_bag(folder / f"good{number}", steps)
    # a folder that looks like an episode and is none
    (folder / "foreign").mkdir()
    (folder / "foreign" / "metadata.yaml").write_text("nothing: here\n")
    return folder


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "images/a.png"), rng.integers(0, 255, (40, 60, 3), np.uint8))
    cv2.imwrite(str(folder / "images/d.png"), np.full((40, 60), 700, np.uint16))
    turns = [
        ("human", "<image 1>\n<image 2>\nHow far is the cup?"),
        ("gpt", "The depth value of point(0.50,0.50) is Depth(0.50,0.50)."),
        ("human", "API: Depth(0.50,0.50)=700"),
        ("gpt", "It is 700 mm away."),
    ]
    records = [
        {
            "id": str(number),
            "image": ["a.png", "d.png"],
            "conversations": [{"from": who, "value": text} for who, text in turns],
        }
        for number in range(3)
    ]
    path = folder / "depth.json"
    path.write_text(json.dumps(records))
    return path


def test_conversations_are_learned_and_resumed(bags: Path, questions: Path, tmp_path: Path) -> None:
    settings = TALK | {"trained": "all", "steps": "30", "evaluate_every": "0", "save_every": "10"}
    data = [bags, f"{questions}=2"]
    result, seen, notes = run("paper-finetune", settings, data, tmp_path / "a")
    losses = [p.metrics["loss"] for p in seen if p.split == "train"]
    assert losses[-1] < 0.6 * losses[0]
    assert "error/dx_mm" in seen[-1].metrics
    assert any("skipped foreign" in note for note in notes)
    assert result.checkpoint is not None
    card = json.loads((result.checkpoint / CARD_NAME).read_text())
    assert card["recipe"]["steps"] == 30 and card["step"] == 30
    assert len(card["data_digest"]) == 64 and card["versions"]["torch"]
    engine = Engine.load(result.checkpoint)
    assert ActionSpec.from_mapping(engine.model.config.action_spec) == synthetic.SPEC

    class Cut(Exception):
        pass

    def cut(progress: Progress) -> None:
        if progress.step == 14:
            raise Cut

    request = TrainingRequest(
        recipe=make_recipe("paper-finetune", settings),
        data=tuple(map(str, data)),
        folder=tmp_path / "b",
        cache=tmp_path / "cache",
        make_start=make_start,
    )
    with pytest.raises(Cut):
        run_training(request, observer=cut)
    run("paper-finetune", settings, data, tmp_path / "b", resume=True)
    assert files_of(tmp_path / "b/checkpoint") == files_of(tmp_path / "a/checkpoint")


@pytest.mark.parametrize("recipe", ["paper-pretrain", "lora"])
def test_only_what_the_recipe_says_changes(recipe: str, questions: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    settings = TALK | ({"lora_rank": "2", "lora_alpha": "4"} if recipe == "lora" else {})
    result, _, _ = run(recipe, settings, questions, tmp_path / "out")
    assert result.checkpoint is not None
    before = load_file(tmp_path / "out/start/model.safetensors")
    after = load_file(result.checkpoint / "model.safetensors")
    assert set(before) == set(after)
    changed = {name for name in before if not before[name].equal(after[name])}
    parts = {name.split(".")[0] for name in changed}
    assert parts == (
        {"projector"} if recipe == "paper-pretrain" else {"projector", "language_model"}
    )
    Engine.load(result.checkpoint)


def test_actions_from_cached_features(bags: Path, tmp_path: Path) -> None:
    settings = FEW | {"validation_share": "0"}
    result, seen, _ = run("mini-rgbd", settings, bags, tmp_path / "a")
    assert result.finished and result.checkpoint is not None
    assert {"error/dx_mm", "error/droll_deg", "error/gripper"} <= set(seen[-1].metrics)
    # a round of aggregation starts where the last one ended, with more data
    data = [bags, f"{bags}=3"]
    second, _, _ = run("mini-rgbd", settings, data, tmp_path / "b", start=result.checkpoint)
    assert second.finished


def test_another_robot_is_refused(bags: Path, tmp_path: Path) -> None:
    start = tmp_path / "start"
    make_start("tiny", start, 0, ActionSpec(translation_limit_m=0.5))
    with pytest.raises(ActionSpecMismatchError, match="translation_limit_m"):
        run("paper-finetune", TALK, bags, tmp_path / "out", start=start)


def test_what_cannot_be_read_is_told(bags: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordingError, match="no usable episode"):
        run("paper-finetune", TALK, tmp_path / "empty", tmp_path / "a")
    with pytest.raises(RecordingError, match="cannot read the questions"):
        run("paper-finetune", TALK, tmp_path / "no.json", tmp_path / "b")
    with pytest.raises(ConfigurationError, match="cannot be trained"):
        run("mini-rgbd", FEW | {"trained": "all"}, bags, tmp_path / "c")
    (tmp_path / "bad.json").write_text('[{"image": "x.png"}]')
    with pytest.raises(RecordingError, match="record 0"):
        run("paper-finetune", TALK, tmp_path / "bad.json", tmp_path / "d")


def test_talks_and_acts(bags: Path, tmp_path: Path) -> None:
    settings = FEW | {"validation_share": "0", "question_share": "0.5"}
    result, seen, _ = run("mini-multitask", settings, bags, tmp_path / "a")
    assert result.finished and result.checkpoint is not None
    texts = [p.metrics["loss_text"] for p in seen if p.split == "train"]
    assert texts[-1] < texts[0] and "error/dx_mm" in seen[-1].metrics

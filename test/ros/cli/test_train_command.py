"""`spatialbot train`: lists, explains, refuses, trains and goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from spatialbot_model.contracts.errors import SpatialBotError
from spatialbot_ros.cli import app
from spatialbot_ros.cli.training_curves import draw_curves
from spatialbot_ros.cli.training_progress import describe_metrics

RECIPES = (
    *("mini-rgbd", "mini-rgb", "mini-multitask"),
    *("mini-rgbd-grounding", "mini-rgb-grounding"),
    *("paper-pretrain", "paper-finetune", "lora", "release-lora"),
)


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["train", *arguments], env={"COLUMNS": "200"})


def test_recipes_are_listed_and_shown() -> None:
    listed = call()
    assert listed.exit_code == 0 and all(name in listed.output for name in RECIPES)
    assert set(json.loads(call("--json").stdout)) == set(RECIPES)
    shown = json.loads(call("mini-rgbd", "--show", "--set", "steps=5").stdout)
    assert shown["steps"] == 5 and shown["data"]["history"] == 4
    assert "Examples" in call("--help").output


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("maxi",), "mini-rgbd"),
        (("mini-rgbd",), "--data DIR --out DIR"),
        (("mini-rgbd", "--set", "steps"), "KEY=VALUE"),
        (("mini-rgbd", "--resume"), "--out"),
    ],
)
def test_what_is_missing_is_told(arguments: tuple[str, ...], what: str) -> None:
    result = call(*arguments)
    assert isinstance(result.exception, SpatialBotError) and what in str(result.exception)


def test_nothing_to_resume(tmp_path: Path) -> None:
    result = call("mini-rgbd", "--out", str(tmp_path), "--resume")
    assert "no training to resume" in str(result.exception)


def test_questions_are_trained_on_and_resumed(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Is it red?"}, {"from": "gpt", "value": "Yes, it is."}]
    records = [{"id": str(n), "conversations": turns} for n in range(3)]
    (tmp_path / "data.json").write_text(json.dumps(records))
    values = ("steps=4", "batch_size=2", "micro_batch_size=2", "preset=tiny", "precision=float32")
    settings = [part for value in values for part in ("--set", value)]
    settings += ["--set", "trained=all", "--set", "log_every=1", "--set", "validation_share=0"]
    arguments = ["--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache"), "--json"]
    result = call("paper-finetune", "--data", str(tmp_path / "data.json"), *settings, *arguments)
    assert result.exit_code == 0, result.exception
    values_of = json.loads(result.stdout)
    assert values_of["step"] == 4 and values_of["finished"] and values_of["signal"] == 0
    assert Path(values_of["checkpoint"], "model.safetensors").is_file()
    assert Path(values_of["curves"]).read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["cache"] == arguments[3]
    again = call("paper-finetune", "--out", arguments[1], "--json", "--resume")
    assert again.exit_code == 0 and json.loads(again.stdout)["step"] == 4
    refused = call("paper-finetune", *arguments, "--resume", "--set", "learning_rate=1")
    assert "learning_rate cannot be set" in str(refused.exception)
    begun = call("paper-finetune", "--data", str(tmp_path / "data.json"), *settings, *arguments)
    assert "holds a training already" in str(begun.exception)


def test_no_log_no_picture(tmp_path: Path) -> None:
    assert draw_curves(tmp_path) is None


def test_a_line_for_people() -> None:
    metrics = {f"error/d{axis}_mm": 1.0 for axis in "xyz"} | {"loss": 2.0, "error/gripper": 0.01}
    text = describe_metrics(metrics | {"samples_s": 90.0, "data_wait": 0.012})
    assert text == ("loss 2.0000 · 1.00/1.00/1.00 mm · gripper 0.010 · 90.0 samples/s, wait 1.2%")

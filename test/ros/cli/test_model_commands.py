"""`spatialbot model` and `spatialbot ask` as a user runs them, on the tiny preset."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_ros.cli import app


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments: object) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    values: dict[str, object] = json.loads(result.stdout)
    return values


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint made by the command."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    result = run("model", "new", "tiny", folder)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    """A colour file and a depth file."""
    rng = np.random.default_rng(0)
    color, depth = tmp_path / "rgb.png", tmp_path / "depth.png"
    cv2.imwrite(str(color), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    cv2.imwrite(str(depth), np.full((48, 64), 584, np.uint16))
    return color, depth


def test_info_tells_what_it_is_made_of_and_for(tiny: Path) -> None:
    values = run_json("model", "info", tiny)
    assert values["vision_tower"] == "clip_vision_model"
    parts = values["parameters_by_part"]
    assert isinstance(parts, dict) and sum(parts.values()) == values["parameters"]
    spec = values["action_spec"]
    assert isinstance(spec, dict) and spec["frame"] == "fr3_link0"


def test_a_folder_in_use_is_left_alone(tiny: Path) -> None:
    before = sorted(path.stat().st_mtime_ns for path in tiny.iterdir())
    result = run("model", "new", "tiny", tiny)
    assert isinstance(result.exception, CheckpointError)
    assert sorted(path.stat().st_mtime_ns for path in tiny.iterdir()) == before


def test_show_prompt_marks_what_is_learned(tiny: Path) -> None:
    values = run_json("model", "show-prompt", tiny, "--frames", 2)
    tokens = values["tokens"]
    assert isinstance(tokens, list)
    learned = "".join(token["text"] for token in tokens if token["kind"] == "supervised")
    assert learned.startswith(" The robot should<act_017><act_051>")
    assert [token["kind"] for token in tokens].count("image") == 4


def test_show_prompt_masks_the_answer_of_the_depth_tool(tiny: Path) -> None:
    values = run_json("model", "show-prompt", tiny, "--question", "How far is the cup?")
    tokens = values["tokens"]
    assert isinstance(tokens, list)
    masked = "".join(token["text"] for token in tokens if token["kind"] == "masked")
    learned = "".join(token["text"] for token in tokens if token["kind"] == "supervised")
    assert "API: Depth(0.51,0.40)=584" in masked
    assert "is Depth(0.51,0.40)." in learned and "API" not in learned


def test_ask_prints_the_conversation(tiny: Path, images: tuple[Path, Path]) -> None:
    color, depth = images
    values = run_json(
        *("ask", "How far is the cup?", "--checkpoint", tiny, "--max-tokens", 16),
        *("--image", color, "--depth", depth),
    )
    messages = values["messages"]
    assert isinstance(messages, list)
    assert messages[0]["role"] == "user" and "How far is the cup?" in messages[0]["text"]
    assert messages[1]["role"] == "assistant" and messages[-1]["text"] == values["text"]


def test_ask_without_images(tiny: Path) -> None:
    result = run("ask", "Hello?", "--checkpoint", tiny, "--max-tokens", 16)
    assert result.exit_code == 0 and "Hello?" in result.output


def test_ask_refuses_images_without_partners_and_encoded_depth(
    tiny: Path, images: tuple[Path, Path]
) -> None:
    color, depth = images
    few = run("ask", "?", "--checkpoint", tiny, "--depth", depth)
    assert isinstance(few.exception, ConfigurationError)
    wrong = run("ask", "?", "--checkpoint", tiny, "--image", color, "--depth", color)
    assert isinstance(wrong.exception, ConfigurationError) and "16-bit" in str(wrong.exception)


def test_a_missing_checkpoint_says_how_to_make_one(tmp_path: Path) -> None:
    result = run("ask", "?", "--checkpoint", tmp_path / "none")
    assert isinstance(result.exception, CheckpointError)

"""`spatialbot qa` as a user runs it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    RecordingError,
    SpatialBotError,
    UnknownNameError,
)
from spatialbot_ros.cli.qa import app


def qa(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def rgbd_folder(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    for number in range(3):
        rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
        depth = np.tile(np.linspace(600, 2600 + 10 * number, 64).astype(np.uint16), (48, 1))
        assert cv2.imwrite(str(folder / f"rgb/{number}.png"), rgb)
        # a picture of depth is none
        assert cv2.imwrite(str(folder / f"depth/{number}.png"), depth if number else depth // 16)
    eight = cv2.imread(str(folder / "rgb/2.png"), cv2.IMREAD_GRAYSCALE)
    assert cv2.imwrite(str(folder / "depth/2.png"), eight)
    return folder


def test_questions_are_made_reported_and_shown(tmp_path: Path) -> None:
    data, out = rgbd_folder(tmp_path / "data"), tmp_path / "qa"
    made = qa("generate", "--source", "folder", "--data", data, "--out", out, "--json")
    assert made.exit_code == 0, made.output
    report = json.loads(made.stdout)
    assert report["scenes"] == 2
    assert "8-bit" in report["skipped"][0]["example"]
    assert Path(report["contact_sheet"]).stat().st_size > 1000
    assert len(json.loads(Path(report["output"]).read_text())) == report["questions"] > 10
    again = json.loads(qa("report", out, "--json").stdout)
    assert again["kinds"] == report["kinds"]
    shown = json.loads(qa("show", out, "--kind", "depth_point", "--num", 2, "--json").stdout)
    assert len(shown) == 2 and shown[0]["kind"] == "depth_point"
    assert "questions about 2 scenes" in qa("report", out).stdout
    assert "gpt:" in qa("show", out).stdout


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("generate", "--source", "kinect"), UnknownNameError),
        (("generate", "--source", "coco"), ConfigurationError),
        (("generate", "--source", "folder", "--data", "nowhere"), ConfigurationError),
        (("generate", "--levels", "deep"), UnknownNameError),
        (("report", "nowhere"), RecordingError),
        (("show", "nowhere"), RecordingError),
        (("make-benchmark", "--stereo", "nowhere", "--out", "nowhere"), ConfigurationError),
    ],
)
def test_mistakes_are_told(
    arguments: tuple[str, ...], error: type[SpatialBotError], tmp_path: Path
) -> None:
    more = ("--out", tmp_path) if arguments[0] == "generate" else ()
    result = qa(*arguments, *more)
    assert result.exit_code != 0
    assert isinstance(result.exception, error)

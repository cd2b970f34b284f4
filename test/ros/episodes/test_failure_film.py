"""Pictures of failed trials: kept up to a number, shown on one sheet and in one film."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame
from spatialbot_model.data.video import read_video
from spatialbot_ros.episodes.failure_film import FailureFilmFactory, write_failures

INTRINSICS = CameraIntrinsics(64, 48, 60.0, 60.0, 32.0, 24.0)
FAILED = Trial(
    "t", "size", 1_000_000, "", "take the larger can", False, "dropped", "it fell", "finished", 3
)


def frame(k: int) -> RgbdFrame:
    color = np.full((48, 64, 3), (200, 30, 10 * k), np.uint8)
    return RgbdFrame(k, color, np.full((48, 64), 900, np.uint16), INTRINSICS)


def film_trial(film, trial: Trial, num_frames: int = 3) -> None:
    film.begin(trial.family)
    for k in range(num_frames):
        film.add(frame(k), "The robot should ...")
    film.end(trial)


def test_failures_are_kept_and_shown(tmp_path: Path) -> None:
    film = FailureFilmFactory(tmp_path / "failures", 2)()
    film_trial(film, replace(FAILED, success=True, failure="", seed=1))
    assert write_failures(tmp_path / "failures", tmp_path / "a.png", tmp_path / "a.mp4") == 0
    for seed in (2, 3, 4):
        film_trial(film, replace(FAILED, seed=seed))
    film_trial(film, replace(FAILED, family="basic"), num_frames=5)
    kept = [path.stem for path in sorted((tmp_path / "failures").iterdir())]
    assert kept == ["basic--1000000", "size--2", "size--3"]
    sheet, video = tmp_path / "sheet.png", tmp_path / "film.mp4"
    assert write_failures(tmp_path / "failures", sheet, video) == 3
    drawn = cv2.imread(str(sheet))
    assert drawn.shape == (3 * (240 + 40), 6 * 320, 3)
    # blue, green, red of the first picture's middle
    assert drawn[160, 160] == pytest.approx((0, 30, 200), abs=12)
    frames = list(read_video(video, "rgb24"))
    assert len(frames) == 5 + 3 + 3 + 3 * 20
    assert frames[0].shape == (240 + 2 * 40, 2 * 320, 3)


def test_no_pictures_where_none_are_wanted(tmp_path: Path) -> None:
    film_trial(FailureFilmFactory(tmp_path / "failures", 0)(), FAILED)
    assert not (tmp_path / "failures").exists()


@pytest.mark.parametrize("content", [b"nothing", b"PK\x03\x04 nothing"])
def test_damaged_pictures_are_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "size--1.npz").write_bytes(content)
    with pytest.raises(RecordingError, match="remove it and run again"):
        write_failures(tmp_path, tmp_path / "sheet.png", tmp_path / "film.mp4")

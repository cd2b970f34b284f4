"""What was done in an episode, and its pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic_episode import write_episode

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_ros.episodes.film import pictures, write_contact_sheet, write_film
from spatialbot_ros.episodes.replay import path_difference, recorded_motion

NUM_STEPS = 7


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("episodes") / "one"
    write_episode(folder, NUM_STEPS)
    return folder


def test_motion_is_the_actions_with_the_pose_at_each(episode: Path) -> None:
    motion = recorded_motion(episode)
    assert motion.tcp_m.shape == (len(motion.actions) + 1, 3)
    assert all(action.spec == motion.spec for action in motion.actions)
    assert motion.metadata.task == "pick_place"


def test_paths_are_compared_row_by_row() -> None:
    first = np.zeros((3, 3))
    second = np.array([[0.0, 0.0, 0.0], [0.003, 0.0, 0.004], [0.0, 0.001, 0.0]])
    difference = path_difference(first, second)
    assert difference.mean_mm == pytest.approx(2.0)
    assert difference.max_mm == pytest.approx(5.0)
    assert difference.final_mm == pytest.approx(1.0)
    with pytest.raises(RecordingError, match="compared"):
        path_difference(first, second[:2])


def test_film_and_sheet_show_every_complete_frame(episode: Path, tmp_path: Path) -> None:
    shown = list(pictures(episode))
    assert len(shown) == NUM_STEPS
    assert write_film(episode, tmp_path / "film.mp4") == NUM_STEPS
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert int(film.get(cv2.CAP_PROP_FRAME_COUNT)) == NUM_STEPS
    write_contact_sheet(episode, tmp_path / "sheet.png", columns=2, rows=2)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape == (2 * shown[0].shape[0], 2 * shown[0].shape[1], 3)
    assert np.array_equal(sheet[: shown[0].shape[0], : shown[0].shape[1], ::-1], shown[0])


def test_nothing_to_show_is_said(episode: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="shows nothing"):
        write_contact_sheet(episode, tmp_path / "sheet.png", columns=0)
    with pytest.raises(RecordingError):
        recorded_motion(tmp_path)

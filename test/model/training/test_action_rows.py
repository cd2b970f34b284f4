"""Annotated frames are learned with all their instructions, their own one first."""

from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
from scripted_bag import Note, Step, write_bag

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.errors import ActionParseError
from spatialbot_model.contracts.waypoints import HIGH, LOW
from spatialbot_model.data.index_files import load_or_build_index
from spatialbot_model.data.mirroring import mirrored_bins, mirrored_instruction
from spatialbot_model.training.action_rows import NO_BIN, action_rows
from spatialbot_ros.configuration import load_cell

OWN = synthetic.METADATA.instruction
PICK, PLACE = (0.5, 0.1, 0.02, 0.3), (0.6, -0.2, 0.05, -0.3)


def answer(bins: tuple[int, ...]) -> str:
    return format_action_text(DeltaAction(bins, synthetic.SPEC))


NOTES = [
    Note(1, OWN, answer((9,) * 7), PICK, PLACE),
    Note(1, "put it on the other board", answer((60,) * 7), None, PLACE),
    Note(1, "do nothing", "The robot has finished."),
    # no step is about this frame
    Note(7, "too late", answer((1,) * 7)),
]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = [Step(0), Step(1), Step(2)]
    return write_bag(tmp_path_factory.mktemp("bags") / "one", steps, notes=NOTES)


@pytest.mark.parametrize("stored", [False, True])
def test_own_instruction_comes_first(bag: Path, tmp_path: Path, stored: bool) -> None:
    if stored:
        load_or_build_index(bag, tmp_path)
    episode = load_or_build_index(bag, tmp_path)
    assert len(episode.annotations) == 3
    rows = action_rows(episode)
    assert rows.steps.tolist() == [0, 1, 1, 1, 2]
    assert rows.instructions == (OWN, OWN, "put it on the other board", "do nothing", OWN)
    # the label is what was answered, an annotation adds where it leads
    assert rows.labels[1].tolist() == [50, 51, 52, 53, 54, 55, 100]
    assert rows.labels[2].tolist() == [60] * 7
    assert rows.labels[3].tolist() == [NO_BIN] * 7
    known = [[False] * 2, [True] * 2, [False, True], [False] * 2, [False] * 2]
    assert rows.known.tolist() == known
    for point, expected in ((rows.waypoints[1, 0], PICK), (rows.waypoints[2, 1], PLACE)):
        np.testing.assert_allclose(LOW + point / 100 * (HIGH - LOW), expected, atol=1e-6)


def test_an_answer_that_is_none_is_an_error(tmp_path: Path) -> None:
    notes = [Note(1, "dance", "The robot dances.")]
    bag = write_bag(tmp_path / "one", [Step(0), Step(1)], notes=notes)
    with pytest.raises(ActionParseError):
        action_rows(load_or_build_index(bag, None))


def test_mirrored_rows_are_those_of_the_mirror_image(bag: Path) -> None:
    episode = load_or_build_index(bag, None)
    y_m = load_cell().camera.T_base_color[1, 3]
    np.testing.assert_allclose(episode.T_base_camera, load_cell().camera.T_base_color, atol=1e-9)
    rows, mirrored = action_rows(episode), action_rows(episode, mirrored=True)
    assert mirrored.steps.tolist() == rows.steps.tolist()
    assert mirrored.instructions == tuple(mirrored_instruction(each) for each in rows.instructions)
    assert mirrored.labels.tolist() == mirrored_bins(rows.labels).tolist()
    noted = rows.steps.tolist().index(1)
    assert rows.labels[noted + 1].tolist() == [60] * 7
    assert mirrored.labels[noted + 1].tolist() == [60, 40, 60, 40, 60, 40, 60]
    turned = np.array([PICK[0], 2 * y_m - PICK[1], PICK[2], -PICK[3]])
    wanted = (turned - LOW) / (HIGH - LOW) * 100
    np.testing.assert_allclose(mirrored.waypoints[noted, 0], wanted, atol=1e-4)

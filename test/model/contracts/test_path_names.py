"""Names that become paths stay where they belong."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.path_names import check_file_name, path_below

UPWARDS = ["..", "../x", "../../etc/passwd", "/etc/passwd", "a/../../b", "", "a\0b", "..\\x"]


@pytest.mark.parametrize("name", [*UPWARDS, ".", "a/b", "a\nb", "x" * 256, "\ud800/"])
def test_what_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(RecordingError, match="the episode is named"):
        check_file_name(name, "the episode")


@pytest.mark.parametrize("name", ["a", "pick_place_seed3_0001", ".hidden", "...", "würfel 1.png"])
def test_file_names_stay_as_they_are(name: str) -> None:
    assert check_file_name(name, "it") == name


@pytest.mark.parametrize("name", UPWARDS)
def test_paths_that_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="the picture is"):
        path_below(tmp_path, name, "the picture")


def test_paths_may_go_through_subfolders(tmp_path: Path) -> None:
    assert path_below(tmp_path, "train/1/a.png", "it") == tmp_path / "train/1/a.png"
    assert path_below(tmp_path, "./a..b", "it") == tmp_path / "a..b"


@given(st.text(alphabet=string.ascii_letters + "./\\\0 \n", max_size=30))
def test_whatever_is_taken_lies_below(name: str) -> None:
    folder = Path("/some/folder")
    try:
        path = path_below(folder, name, "it")
    except RecordingError:
        pass
    else:
        assert path.is_relative_to(folder) and ".." not in path.parts
    try:
        checked = check_file_name(name, "it")
    except RecordingError:
        return
    assert (folder / checked).parent == folder

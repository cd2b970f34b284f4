"""Rows of files that are not held open."""

import resource
from pathlib import Path

import numpy as np
import pytest

from spatialbot_model.training.array_file import ArrayFile

VALUES = np.arange(5 * 2 * 3, dtype=np.float16).reshape(5, 2, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "a.npy", VALUES)
    return tmp_path / "a.npy"


def test_rows_are_those_of_the_array(path: Path) -> None:
    file = ArrayFile(path)
    assert (len(file), file.shape) == (5, VALUES.shape)
    for numbers in ([0], [4, 1, 1], []):
        found = file.rows(numbers)
        assert found.dtype == VALUES.dtype and np.array_equal(found, VALUES[numbers])
    for number in (5, -1):
        with pytest.raises(IndexError, match=f"not row {number}"):
            file.rows([0, number])


def test_more_of_them_than_files_may_be_open(path: Path) -> None:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = [ArrayFile(path) for _ in range(min(limit, 20_000) + 1)]
    assert all(file.rows([3])[0, 0, 0] == VALUES[3, 0, 0] for file in files[:: len(files) // 50])


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_what_is_cut_off_is_refused(path: Path, keep: int) -> None:
    whole = ArrayFile(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError):
        ArrayFile(path)
    with pytest.raises(OSError, match="cut off"):
        whole.rows([4])


def test_columns_first_and_objects_are_refused(tmp_path: Path) -> None:
    for values in (np.asfortranarray(VALUES), np.array([None, 1])):
        np.save(tmp_path / "b.npy", values)
        with pytest.raises(ValueError, match="do not hold"):
            ArrayFile(tmp_path / "b.npy")

"""Reads the folder ``end_effector_pose`` of a SpatialQA-E episode of the release.

What is public about it: it holds ``.json`` files with the gripper's position per frame, and no
question-answer file comes with them (issue 22 of the release; its dataset is gated and its card
names no fields). So the names of the fields, their units and their frame are not known here.
Read are one file per frame, in the order of the numbers in their names, and one file with all
frames; what the numbers mean is said by the caller in a `PoseFields`, nothing guesses.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError, RecordingError

FOLDER_NAME = "end_effector_pose"

_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class PoseFields:
    """Where the numbers of a frame's record are.

    A field is a path of keys and list positions joined by dots, such as ``pose.position`` or
    ``0``; the empty path is the record itself. It leads to a number, a list of numbers, a nested
    list such as a matrix (read row by row), or a mapping whose values are taken in the order
    ``x y z w`` or ``roll pitch yaw``.

    Attributes:
        values: one path per group of columns, joined in this order; the default takes a record
            that is itself a list of numbers.
        scale: what the numbers are multiplied by, e.g. 0.001 for millimetres.

    Raises:
        ConfigurationError: no path, or no usable scale.
    """

    values: tuple[str, ...] = ("",)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.values or not math.isfinite(self.scale) or self.scale == 0.0:
            raise ConfigurationError(
                f"pose fields are {self.values} with scale {self.scale}; expected at least one"
                " path and a scale other than 0"
            )


@dataclass(frozen=True, slots=True, eq=False)
class EndEffectorPoses:
    """Gripper poses of one episode, one row per frame.

    Attributes:
        names: of the frames: file name without ``.json``, or key or position in the one file.
        values: (N, D) float64, columns as asked for.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]


def read_end_effector_poses(folder: Path, fields: PoseFields | None = None) -> EndEffectorPoses:
    """Poses of one episode.

    Args:
        folder: ``end_effector_pose``, or the episode's folder that holds it.

    Raises:
        RecordingError: no such folder, no JSON, unequal lengths, or a field that is not there;
            tells which fields there are.
    """
    fields = fields or PoseFields()
    inner = folder / FOLDER_NAME
    folder = inner if inner.is_dir() else folder
    if not folder.is_dir():
        raise RecordingError(f"{folder} is no folder; expected an episode's {FOLDER_NAME}")
    records: list[tuple[str, Any]] = []
    files = sorted(folder.glob("*.json"), key=lambda path: _natural(path.name))
    for path in files:
        data = _read_json(path)
        if len(files) == 1 and _holds_frames(data):
            records += _frames(data)
        else:
            records.append((path.stem, data))
    if not records:
        raise RecordingError(f"{folder} holds no frame in a .json file")
    rows = [_row(folder, name, record, fields) for name, record in records]
    if len({len(row) for row in rows}) != 1:
        lengths = sorted({len(row) for row in rows})
        raise RecordingError(f"{folder}: frames have {lengths} numbers, expected all the same")
    return EndEffectorPoses(tuple(name for name, _ in records), np.array(rows) * fields.scale)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} is no JSON that can be read: {error}") from error


def _holds_frames(data: Any) -> bool:
    """Whether one file holds many frames: a list of records, or records by frame name."""
    values = list(data.values()) if isinstance(data, Mapping) else data
    if not isinstance(values, list) or not values:
        return False
    if isinstance(data, Mapping):
        return all(name.isdecimal() for name in data) and not any(map(_is_number, values))
    return all(isinstance(value, list | dict) for value in values)


def _frames(data: Any) -> list[tuple[str, Any]]:
    if isinstance(data, Mapping):
        return sorted(data.items(), key=lambda item: int(item[0]))
    return [(str(number), record) for number, record in enumerate(data)]


def _row(folder: Path, name: str, record: Any, fields: PoseFields) -> list[float]:
    row: list[float] = []
    for path in fields.values:
        value = record
        for key in path.split(".") if path else ():
            try:
                value = value[int(key)] if isinstance(value, list) else value[key]
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise _no_field(folder, name, record, path) from error
        numbers = _numbers(value)
        if numbers is None:
            raise _no_field(folder, name, record, path)
        row += numbers
    return row


def _numbers(value: Any) -> list[float] | None:
    if _is_number(value):
        return [float(value)]
    if isinstance(value, Mapping):
        for order in (("x", "y", "z", "w"), ("x", "y", "z"), ("roll", "pitch", "yaw")):
            if set(value) == set(order):
                return _numbers([value[key] for key in order])
        return None
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    parts = [_numbers(part) for part in value]
    found = [part for part in parts if part is not None]
    return [number for part in found for number in part] if len(found) == len(parts) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _no_field(folder: Path, name: str, record: Any, path: str) -> RecordingError:
    there = sorted(record) if isinstance(record, Mapping) else type(record).__name__
    return RecordingError(
        f"frame {name} of {folder} has no numbers at {path!r}; it holds {there}. Say where they"
        " are, e.g. PoseFields(('position', 'orientation', 'gripper'))"
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts 2.json before 10.json."""
    parts = _DIGITS.split(name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

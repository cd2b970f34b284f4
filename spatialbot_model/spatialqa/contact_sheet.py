"""A picture on which people check questions: image, depth, marks and the exchange below.

Every kind of question is shown once or twice; points and boxes are drawn from the facts, depth
is coloured from near (red) to far (blue), black where there is no return.
"""

import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.processing.image_files import read_depth_mm, read_rgb
from spatialbot_model.spatialqa.part import IMAGES_NAME
from spatialbot_model.spatialqa.stored import StoredQuestion, read_questions

SHEET_NAME = "contact_sheet.png"

_PICTURE_PX = (256, 192)
_TEXT_PX = 165
_COLUMNS = 3
_LINE_PX = 13
_LETTERS_A_LINE = 80
_MOST_TILES = 60
_MARKS = ((0, 0, 255), (255, 128, 0), (0, 200, 0), (200, 0, 200))


def draw_sheet(folder: Path, per_kind: int = 1) -> Path | None:
    """Draw `SHEET_NAME` into the folder of a run.

    Returns:
        Its path; None when the run has no questions.

    Raises:
        RecordingError: no finished run, or the disk does not take it.
        ConfigurationError: an image cannot be read.
    """
    chosen = _choose(folder, per_kind)
    if not chosen:
        return None
    tiles = [_tile(folder, question) for question in chosen]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[k : k + _COLUMNS]) for k in range(0, len(tiles), _COLUMNS)]
    path = folder / SHEET_NAME
    done, data = cv2.imencode(".png", np.vstack(rows))
    assert done
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def _choose(folder: Path, per_kind: int) -> list[StoredQuestion]:
    """Questions of every kind, from different scenes and in different modes where there are any."""
    chosen: dict[str, list[StoredQuestion]] = {}
    shown: Counter[str] = Counter()
    for question in read_questions(folder):
        found = chosen.setdefault(question.facts["kind"], [])
        picture = str(question.record["image"])
        if len(found) < per_kind:
            found.append(question)
            shown[picture] += 1
            continue
        # a scene that is shown less stands for this kind instead
        last = str(found[-1].record["image"])
        if shown[picture] + 1 < shown[last]:
            found[-1] = question
            shown[picture] += 1
            shown[last] -= 1
    return [question for group in chosen.values() for question in group][:_MOST_TILES]


def _tile(folder: Path, question: StoredQuestion) -> NDArray[np.uint8]:
    image = question.record["image"]
    names = [image] if isinstance(image, str) else list(image)
    rgb = _fit(read_rgb(folder / IMAGES_NAME / names[0])[..., ::-1], cv2.INTER_AREA)
    pictures = [rgb]
    if len(names) > 1:
        pictures.append(_colored(read_depth_mm(folder / IMAGES_NAME / names[1])))
    else:
        pictures.append(np.full_like(rgb, 225))
    for picture in pictures:
        _mark(picture, question.facts["facts"])
    tile = np.full((_PICTURE_PX[1] + _TEXT_PX, 2 * _PICTURE_PX[0] + 8, 3), 255, np.uint8)
    tile[: _PICTURE_PX[1], : 2 * _PICTURE_PX[0]] = np.hstack(pictures)
    facts = question.facts
    lines = [f"{facts['kind']} ({facts['level']}, {facts['mode']})  {facts['id']}"]
    for turn in question.record["conversations"]:
        words = turn["value"].split(">\n")[-1] if turn["from"] == "human" else turn["value"]
        speaker = "Q" if turn["from"] == "human" else "A"
        lines += textwrap.wrap(f"{speaker}: {words}", _LETTERS_A_LINE)
    for number, line in enumerate(lines[: _TEXT_PX // _LINE_PX - 1]):
        color = (160, 0, 0) if number == 0 else (0, 0, 0)
        at = (4, _PICTURE_PX[1] + (number + 1) * _LINE_PX)
        cv2.putText(tile, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, color, 1, cv2.LINE_AA)
    return tile


def _mark(picture: NDArray[np.uint8], facts: dict[str, Any]) -> None:
    width_px, height_px = _PICTURE_PX
    for number, (x, y) in enumerate(facts.get("points", ())):
        at = (int(x * width_px), int(y * height_px))
        cv2.drawMarker(picture, at, (255, 255, 255), cv2.MARKER_CROSS, 13, 3)
        cv2.drawMarker(picture, at, _MARKS[number % len(_MARKS)], cv2.MARKER_CROSS, 11, 1)
    for key in ("box", "region"):
        if key in facts:
            x_min, y_min, x_max, y_max = facts[key]
            low = (int(x_min * width_px), int(y_min * height_px))
            high = (int(x_max * width_px), int(y_max * height_px))
            cv2.rectangle(picture, low, high, (0, 0, 255), 1)


def _colored(depth_mm: NDArray[np.uint16]) -> NDArray[np.uint8]:
    valid = depth_mm > 0
    if not valid.any():
        return np.zeros((_PICTURE_PX[1], _PICTURE_PX[0], 3), np.uint8)
    low, high = np.percentile(depth_mm[valid], [2, 98])
    nearness = np.clip(255 * (high - depth_mm) / max(high - low, 1.0), 0, 255).astype(np.uint8)
    colored = np.asarray(cv2.applyColorMap(nearness, cv2.COLORMAP_TURBO), np.uint8).copy()
    colored[~valid] = 0
    return _fit(colored, cv2.INTER_NEAREST)


def _fit(picture: NDArray[np.uint8], how: int) -> NDArray[np.uint8]:
    resized = cv2.resize(np.ascontiguousarray(picture), _PICTURE_PX, interpolation=how)
    return np.asarray(resized, np.uint8)

"""Films of failed trials: small pictures while they run, one contact sheet and one film of all.

Workers write their failures into a folder, each its own; the sheet and the film are made when all
have ended.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.contracts.types import RgbdFrame
from spatialbot_model.data.video import VideoWriter, color_codec
from spatialbot_ros.episodes.film import depth_picture

_WIDTH_PX, _HEIGHT_PX = 320, 240
_SIZE_PX = (_WIDTH_PX, _HEIGHT_PX)
_BAR_PX = 40
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _PAPER = (40, 38, 34), (246, 246, 244)
_COLUMNS = 6
_LAST_FRAME_REPEATED = 20
_SUFFIX = ".npz"

Picture = NDArray[np.uint8]
_Seen = tuple[NDArray[Any], NDArray[Any], str]
"""Small colour, small depth [mm], what was answered."""


@dataclass(frozen=True, slots=True)
class FailureFilmFactory:
    """Makes the films of a worker; may be pickled.

    Attributes:
        folder: where pictures of failures go.
        per_family: how many failures are kept.
    """

    folder: Path
    per_family: int

    def __call__(self) -> "FailureFilm":
        """A film for the calling thread."""
        return FailureFilm(self.folder, self.per_family)


class FailureFilm:
    """Takes pictures of one trial at a time and keeps those of the first failures.

    Args:
        folder: made when it is needed.
        per_family: how many failures are kept, of all workers together.
    """

    def __init__(self, folder: Path, per_family: int) -> None:
        self._folder, self._per_family = folder, per_family
        self._has_room = False
        self._seen: list[_Seen] = []

    def begin(self, family: str) -> None:
        """A trial on a scene of this family starts."""
        self._seen.clear()
        self._has_room = self._room(family)

    def add(self, frame: RgbdFrame, text: str) -> None:
        """What the policy was shown and what it answered."""
        if self._has_room:
            # most trials succeed: only what is small is done for all
            color = cv2.resize(frame.color, _SIZE_PX, interpolation=cv2.INTER_AREA)
            depth_mm = cv2.resize(frame.depth_mm, _SIZE_PX, interpolation=cv2.INTER_NEAREST)
            self._seen.append((color, depth_mm, text))

    def end(self, trial: Trial) -> None:
        """Keep the pictures of a failure, as long as there is room.

        Raises:
            RecordingError: the disk does not take them.
        """
        if trial.success or not self._seen or not self._room(trial.family):
            return
        pictures = [_encode(_picture(*seen)) for seen in self._seen]
        title = f"{trial.family} {trial.seed}: {trial.failure} ({trial.reason})"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            np.savez(
                self._folder / f"{_stem(trial.family)}--{trial.seed}{_SUFFIX}",
                jpegs=np.frombuffer(b"".join(pictures), np.uint8),
                sizes=np.array([len(picture) for picture in pictures]),
                lines=np.array([title, trial.instruction]),
            )
        except OSError as error:
            raise RecordingError(
                f"pictures of a failure cannot be written to {self._folder}: {error}"
            ) from error

    def _room(self, family: str) -> bool:
        kept = self._folder.glob(f"{_stem(family)}--*{_SUFFIX}")
        return len(list(kept)) < self._per_family


def write_failures(folder: Path, sheet: Path, film: Path, fps: int = 20) -> int:
    """Write the contact sheet (PNG) and the film (MP4, AV1) of all failures kept in a folder.

    Returns:
        The number of failures; with none, nothing is written.

    Raises:
        RecordingError: pictures cannot be read, or sheet and film cannot be written.
        MissingDependencyError: PyAV is not installed.
    """
    kept = sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else []
    if not kept:
        return 0
    rows = []
    with VideoWriter(film, color_codec("av1"), fps) as video:
        for path in kept:
            pictures, lines = _read(path)
            bar = _bar(lines, pictures[0].shape[1])
            for picture in [*pictures, *(pictures[-1:] * _LAST_FRAME_REPEATED)]:
                video.append(np.vstack([bar, picture]).astype(np.uint8))
            rows.append(_row(pictures, lines))
    sheet.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(sheet), np.vstack(rows)[..., ::-1]):
        raise RecordingError(f"the contact sheet cannot be written to {sheet}")
    return len(kept)


def _read(path: Path) -> tuple[list[Picture], list[str]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            ends = np.cumsum(stored["sizes"])
            jpegs = np.split(stored["jpegs"], ends[:-1])
            lines = [str(line) for line in stored["lines"]]
        return [_decode(jpeg) for jpeg in jpegs], lines
    except (OSError, KeyError, ValueError, BadZipFile, cv2.error) as error:
        raise RecordingError(
            f"{path} holds no pictures of a failure ({error}); remove it and run again"
        ) from error


def _row(pictures: list[Picture], lines: list[str]) -> Picture:
    """Colour of some pictures side by side below the title; the last is the end."""
    wanted = np.linspace(0, len(pictures) - 1, _COLUMNS).round().astype(int)
    shown = np.hstack([pictures[k][:_HEIGHT_PX, :_WIDTH_PX] for k in wanted])
    return np.vstack([_bar(lines, shown.shape[1]), shown]).astype(np.uint8)


def _stem(family: str) -> str:
    return re.sub(r"\W+", "-", family)


def _picture(color: NDArray[Any], depth_mm: NDArray[Any], text: str) -> Picture:
    right = depth_picture(np.asarray(depth_mm, dtype=np.uint16))
    return np.vstack([np.hstack([color, right]), _bar([text], 2 * _WIDTH_PX)]).astype(np.uint8)


def _bar(lines: list[str], width_px: int) -> Picture:
    bar = np.full((_BAR_PX, width_px, 3), _PAPER, np.uint8)
    for k, line in enumerate(lines):
        # OpenCV's letters are ASCII
        plain = line.encode("ascii", "replace").decode()
        cv2.putText(bar, plain, (6, 15 + 17 * k), _FONT, 0.42, _INK, 1, cv2.LINE_AA)
    return bar


def _encode(picture: Picture) -> bytes:
    done, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done, "a picture of this size is always a JPEG"
    return bytes(jpeg)


def _decode(jpeg: NDArray[np.uint8]) -> Picture:
    decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("no JPEG")
    return np.ascontiguousarray(decoded[..., ::-1], dtype=np.uint8)

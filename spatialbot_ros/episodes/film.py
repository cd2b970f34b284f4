"""An episode as a film and as a contact sheet: colour beside depth, time and answer below."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode import POLICY_STEP_TOPIC
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.contracts.message_fields import stamp_ns_of
from spatialbot_model.data.video import VideoWriter, color_codec
from spatialbot_ros.episodes.reader import EpisodeReader

_WIDTH_PX, _HEIGHT_PX = 480, 360
_BAR_PX = 34
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK, _PAPER = (40, 38, 34), (246, 246, 244)
_NEAR_MM, _FAR_MM = 300, 1800

Picture = NDArray[np.uint8]


def write_film(folder: Path, path: Path, fps: int = 15) -> int:
    """Write an MP4 (AV1) of an episode; returns the number of its frames.

    Raises:
        RecordingError: the episode cannot be read, or the disk does not take the film.
        MissingDependencyError: PyAV is not installed.
    """
    with VideoWriter(path, color_codec("av1"), fps) as film:
        for picture in pictures(folder):
            film.append(picture)
    return film.num_frames


def write_contact_sheet(folder: Path, path: Path, columns: int = 3, rows: int = 4) -> None:
    """Write a PNG with pictures of an episode, evenly spread over it.

    Raises:
        ConfigurationError: no columns or rows.
        RecordingError: the episode cannot be read or holds no frame.
    """
    if columns < 1 or rows < 1:
        raise ConfigurationError(f"a contact sheet of {columns} x {rows} shows nothing")
    total = sum(1 for _ in _frames(folder))
    if total == 0:
        raise RecordingError(f"{folder} holds no colour image with its depth")
    wanted = np.unique(np.linspace(0, total - 1, columns * rows).astype(int)).tolist()
    shown = [picture for index, picture in enumerate(pictures(folder)) if index in wanted]
    blank = np.full_like(shown[0], 255)
    shown += [blank] * (-len(shown) % columns)
    lines = [np.hstack(shown[k : k + columns]) for k in range(0, len(shown), columns)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.vstack(lines)[..., ::-1]):
        raise RecordingError(f"the contact sheet cannot be written to {path}")


def pictures(folder: Path) -> Iterator[Picture]:
    """Every frame of an episode as a picture for people, (H, W, 3) uint8 RGB.

    Raises:
        RecordingError: the episode cannot be read.
    """
    first_ns: int | None = None
    for stamp_ns, color, depth_mm, text in _frames(folder):
        first_ns = stamp_ns if first_ns is None else first_ns
        size = (_WIDTH_PX, _HEIGHT_PX)
        left = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
        small_mm = cv2.resize(depth_mm, size, interpolation=cv2.INTER_NEAREST)
        right = depth_picture(np.asarray(small_mm, dtype=np.uint16))
        bar = np.full((_BAR_PX, 2 * _WIDTH_PX, 3), _PAPER, np.uint8)
        line = f"{(stamp_ns - first_ns) * 1e-9:5.1f} s   {text}"
        cv2.putText(bar, line, (10, 23), _FONT, 0.5, _INK, 1, cv2.LINE_AA)
        yield np.vstack([np.hstack([left, right]), bar]).astype(np.uint8)


def _frames(
    folder: Path,
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint16], str]]:
    """(stamp [ns], colour, depth [mm], the policy's newest words) of each complete frame."""
    with EpisodeReader(folder) as reader:
        said = sorted(
            (stamp_ns_of(message.header.stamp), str(message.text))
            for _, _, message in reader.messages(POLICY_STEP_TOPIC)
        )
        depth = reader.depth_frames()
        depth_ns, depth_mm = next(depth, (-1, np.zeros((1, 1), np.uint16)))
        text, spoken = "", 0
        for stamp_ns, color in reader.color_frames():
            while depth_ns < stamp_ns and (following := next(depth, None)) is not None:
                depth_ns, depth_mm = following
            while spoken < len(said) and said[spoken][0] <= stamp_ns:
                text, spoken = said[spoken][1], spoken + 1
            if depth_ns == stamp_ns:
                yield stamp_ns, color, depth_mm, text


def depth_picture(depth_mm: NDArray[np.uint16]) -> Picture:
    """Near is bright, no return is black."""
    share = (np.clip(depth_mm, _NEAR_MM, _FAR_MM) - _NEAR_MM) / (_FAR_MM - _NEAR_MM)
    colors = cv2.applyColorMap((255 - share * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    colors[depth_mm == 0] = 0
    return np.ascontiguousarray(colors[..., ::-1], dtype=np.uint8)

"""All frames of one episode in one file that is memory-mapped.

Layout, little-endian: magic, length of the header, header (JSON), then from a page border on the
colour block (F, H, W, 3) uint8, the depth block (F, H, W) uint16 mm and the CRC-32 of each frame
(F,) uint32 over both its images. The file appears under its name only when it is whole.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RecordingError

_MAGIC = b"SBFRAME1"
_PAGE = 4096
_PREFIX = struct.Struct("<8sI")

Images = tuple[NDArray[np.uint8], NDArray[np.uint16]]
"""Colour (H, W, 3) and depth [mm] (H, W) of one frame."""


class FrameFile:
    """Frames by number, checked against their checksum when they are first read.

    Attributes:
        made_from: what the writer said the frames come from.

    Raises:
        OSError: there is no such file.
        RecordingError: it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            prefix = file.read(_PREFIX.size)
            try:
                magic, length = _PREFIX.unpack(prefix)
                header = json.loads(file.read(length)) if magic == _MAGIC else {}
                shape = tuple(int(header[name]) for name in ("frames", "height", "width"))
                self.made_from = str(header["made_from"])
            except (struct.error, ValueError, KeyError) as error:
                raise RecordingError(f"the frame cache {path} is damaged: {error!r}") from error
            start = _page_border(_PREFIX.size + length)
            num_bytes = _num_bytes(shape)
            if os.fstat(file.fileno()).st_size != start + num_bytes:
                raise RecordingError(f"the frame cache {path} is cut off")
        data = np.memmap(path, np.uint8, "r", start, (num_bytes,))
        pixels = shape[0] * shape[1] * shape[2]
        self._color = data[: 3 * pixels].reshape(*shape, 3)
        self._depth_mm = data[3 * pixels : 5 * pixels].view("<u2").reshape(shape)
        self._checksums = data[5 * pixels :].view("<u4")
        self._is_checked = np.zeros(shape[0], np.bool_)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._checksums)

    def read(self, number: int) -> Images:
        """One frame; the arrays are read-only views of the file.

        Raises:
            RecordingError: its bytes are not those that were written.
        """
        color, depth_mm = self._color[number], self._depth_mm[number]
        if not self._is_checked[number]:
            if _checksum(color, depth_mm) != self._checksums[number]:
                raise RecordingError(f"frame {number} of the cache {self.path} is damaged")
            self._is_checked[number] = True
        # plain arrays: a memmap's own slicing costs more than the pixels of a small image
        return np.asarray(color), np.asarray(depth_mm)


def write_frame_file(path: Path, made_from: str, num_frames: int, frames: Iterable[Images]) -> None:
    """Write all frames of an episode; only the one at hand is held in memory.

    Raises:
        OSError: the disk does not take it; nothing is left behind.
        RecordingError: the frames differ in size, or are not as many as said.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            _write(file, made_from, num_frames, iter(frames))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def frame_file_bytes(num_frames: int, height: int, width: int) -> int:
    """Size of such a file, but for its header of at most a page."""
    return _num_bytes((num_frames, height, width)) + _PAGE


def _write(file: Any, made_from: str, num_frames: int, frames: Iterable[Images]) -> None:
    checksums = np.zeros(num_frames, "<u4")
    shape: tuple[int, ...] = ()
    start = number = 0
    for color, depth_mm in frames:
        if not shape:
            shape = (num_frames, *depth_mm.shape)
            names = ("frames", "height", "width")
            header = json.dumps({"made_from": made_from, **dict(zip(names, shape, strict=True))})
            file.write(_PREFIX.pack(_MAGIC, len(header)) + header.encode())
            start = _page_border(file.tell())
        if number >= num_frames or (num_frames, *depth_mm.shape) != shape:
            raise RecordingError(
                f"frame {number} of {num_frames} is {depth_mm.shape}, the first was {shape[1:]};"
                " an episode's frames are of one size"
            )
        depth_mm = np.ascontiguousarray(depth_mm, "<u2")
        checksums[number] = _checksum(color, depth_mm)
        pixels = shape[1] * shape[2]
        file.seek(start + number * 3 * pixels)
        file.write(np.ascontiguousarray(color).data)
        file.seek(start + num_frames * 3 * pixels + number * 2 * pixels)
        file.write(depth_mm.data)
        number += 1
    if number != num_frames or not shape:
        raise RecordingError(f"{number} frames came where {num_frames} were announced")
    file.write(checksums.data)


def _checksum(color: NDArray[np.uint8], depth_mm: NDArray[np.uint16]) -> int:
    return zlib.crc32(
        np.ascontiguousarray(depth_mm).data, zlib.crc32(np.ascontiguousarray(color).data)
    )


def _num_bytes(shape: tuple[int, ...]) -> int:
    frames, height, width = shape
    return 5 * frames * height * width + 4 * frames


def _page_border(position: int) -> int:
    return -(-position // _PAGE) * _PAGE

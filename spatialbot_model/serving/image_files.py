"""Files that another program writes while we look: read whole or not at all, written whole.

A robot script copies its image into the exchange folder by sftp or a plain write, so that a file
may be met half-written. A PNG or JPEG says itself where it ends; JSON does so by parsing.
"""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_PNG_HEAD, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG_HEAD, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class FileState:
    """Which version of a file was met; equal states mean that nobody wrote in between."""

    inode: int
    size: int
    modified_ns: int


def file_state(path: Path) -> FileState | None:
    """The state of a file now, None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileState(status.st_ino, status.st_size, status.st_mtime_ns)


def read_settled(path: Path) -> tuple[bytes, FileState] | None:
    """Contents of a file that did not change while it was read; None = not there or not yet."""
    before = file_state(path)
    if before is None or not 0 < before.size <= _MAX_FILE_BYTES:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if file_state(path) != before or len(data) != before.size:
        return None
    return data, before


def decode_color(data: bytes) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8 RGB of a complete PNG or JPEG, None when it is incomplete or neither."""
    if not _is_complete(data):
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if image is None else np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)


def decode_depth(data: bytes) -> NDArray[np.uint16] | None:
    """(H, W) uint16 millimetres of a complete 16-bit PNG, None when it is anything else."""
    if not data.startswith(_PNG_HEAD) or not _is_complete(data):
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint16:
        return None
    return np.asarray(image, dtype=np.uint16)


def write_json(path: Path, value: Any) -> None:
    """Put a JSON file in place by renaming, so that a reader meets all of it or the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(value, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)  # the robot's account reads it
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _is_complete(data: bytes) -> bool:
    if data.startswith(_PNG_HEAD):
        return data.endswith(_PNG_END)
    return data.startswith(_JPEG_HEAD) and data.endswith(_JPEG_END)

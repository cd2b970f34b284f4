"""Picture files that are whole."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.processing.image_files import read_rgb

SUFFIXES = (".jpg", ".jpeg", ".png")

_ENDS = {".png": b"IEND", ".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9"}
_TAIL_BYTES = 256


def read_picture(path: Path) -> NDArray[np.uint8]:
    """A whole picture as (H, W, 3) uint8 RGB.

    Raises:
        ConfigurationError: no such file, no picture, or one that was cut off.
    """
    rgb = read_rgb(path)
    end = _ENDS.get(path.suffix.lower())
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - _TAIL_BYTES, 0))
        tail = file.read()
    # decoders fill what is missing with grey
    if end is not None and end not in tail:
        raise ConfigurationError(f"{path} ends in the middle of the picture")
    return rgb


def picture_files(folder: Path) -> dict[str, Path]:
    """Pictures below a folder by name without suffix, in order.

    Raises:
        ConfigurationError: there is none, or two have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ConfigurationError(f"{found[path.stem]} and {path} have one name")
        found[path.stem] = path
    if not found:
        raise ConfigurationError(f"{folder} holds no picture; expected {', '.join(SUFFIXES)}")
    return found

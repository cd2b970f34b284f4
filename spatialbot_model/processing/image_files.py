"""Images from files, as what they are declared to be: colour, or depth in millimetres."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """A colour image file as (H, W, 3) uint8 RGB; grey files become three equal channels.

    Raises:
        ConfigurationError: no such file, or no image.
    """
    image = _read(path, cv2.IMREAD_COLOR_BGR)
    return np.ascontiguousarray(image[..., ::-1], dtype=np.uint8)


def read_depth_mm(path: Path) -> NDArray[np.uint16]:
    """A 16-bit single-channel PNG or TIFF as (H, W) uint16 millimetres, 0 = no return.

    Raises:
        ConfigurationError: no such file, no image, or another pixel type; nothing guesses units.
    """
    image = _read(path, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise ConfigurationError(
            f"{path} holds {image.dtype} {image.shape}, expected one 16-bit channel of millimetres;"
            " a picture of a colour-mapped or encoded depth image does not hold depths"
        )
    return image.astype(np.uint16, copy=False)


def _read(path: Path, flags: int) -> NDArray[np.generic]:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ConfigurationError(f"cannot read the image {path}: {error.strerror}") from error
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise ConfigurationError(f"{path} is no image that can be read; expected PNG, JPEG or TIFF")
    return np.asarray(image)

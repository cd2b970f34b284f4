"""Image messages of an episode, raw or compressed, to arrays."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode_images import depth_png_of_payload
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import image_of


def color_of(message: Any) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a sensor_msgs/Image in rgb8 or a JPEG sensor_msgs/CompressedImage.

    Raises:
        RecordingError: another encoding, or damaged.
    """
    if not hasattr(message, "format"):
        return _checked(image_of(message), 3, np.dtype(np.uint8))
    image = _decoded(message.data, cv2.IMREAD_COLOR_BGR, message.format)
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def depth_of(message: Any) -> NDArray[np.uint16]:
    """(H, W) uint16 mm of a sensor_msgs/Image in 16UC1 or a compressedDepth PNG; lossless.

    Raises:
        RecordingError: another encoding, or damaged.
    """
    if not hasattr(message, "format"):
        return _checked(image_of(message), 2, np.dtype(np.uint16))
    png = depth_png_of_payload(bytes(message.data), message.format)
    return _checked(_decoded(png, cv2.IMREAD_UNCHANGED, message.format), 2, np.dtype(np.uint16))


def _decoded(data: Any, flags: int, message_format: str) -> NDArray[Any]:
    buffer = np.frombuffer(data, np.uint8)
    image = cv2.imdecode(buffer, flags) if buffer.size else None
    if image is None:
        raise RecordingError(f"a compressed image ({message_format}) does not decode")
    return np.asarray(image)


def _checked(image: NDArray[Any], num_axes: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    if image.ndim != num_axes or image.dtype != dtype:
        raise RecordingError(
            f"an image is {image.dtype} {image.shape}, expected rgb8 colour or 16UC1 depth"
        )
    return image

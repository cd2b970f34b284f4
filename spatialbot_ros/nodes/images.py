"""sensor_msgs/Image <-> arrays.

Image conversion goes through cv_bridge where a ROS desktop provides it, through
rosbags-image otherwise; both pass the same contract test. Arrays made from a message are
read-only views of it where the encoding allows, so that receiving an image costs no copy.
"""

import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.nodes.conversions import ns_to_stamp

_DTYPES = {"rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "mono8": (np.uint8, 1)}
_DTYPES |= {"16UC1": (np.uint16, 1), "mono16": (np.uint16, 1), "32FC1": (np.float32, 1)}


def image_to_msg(
    image: NDArray[Any], encoding: str, frame_id: str, stamp_ns: int, message: Image | None = None
) -> Image:
    """Array (H, W) or (H, W, C) to sensor_msgs/Image.

    Raises:
        ConfigurationError: unknown encoding, or dtype or channels do not fit it.
    """
    dtype, channels = _encoding(encoding)
    num_channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != dtype or num_channels != channels:
        raise ConfigurationError(
            f"image is {image.dtype} with {num_channels} channels; {encoding} needs"
            f" {np.dtype(dtype)} with {channels}"
        )
    message = Image() if message is None else message
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    message.height, message.width = image.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = image.strides[0] if image.flags.c_contiguous else image[0].nbytes
    # an array.array is taken as it is; bytes or lists would be copied element by element
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    message.data = data
    return message


def msg_to_image(message: Image) -> NDArray[Any]:
    """sensor_msgs/Image to a read-only array (H, W) or (H, W, C), no copy.

    The encoding is kept: no colour conversion, no scaling.

    Raises:
        ConfigurationError: unknown encoding or inconsistent sizes.
    """
    dtype, channels = _encoding(message.encoding)
    row_bytes = message.width * channels * np.dtype(dtype).itemsize
    if message.step < row_bytes or len(message.data) < message.step * message.height:
        raise ConfigurationError(
            f"{message.encoding} image {message.width}x{message.height} needs rows of"
            f" {row_bytes} bytes; got step {message.step} and {len(message.data)} bytes"
        )
    order = ">" if message.is_bigendian else "<"
    rows = np.frombuffer(message.data, np.uint8, message.step * message.height)
    rows = rows.reshape(message.height, message.step)[:, :row_bytes]
    pixels = np.ascontiguousarray(rows).view(np.dtype(dtype).newbyteorder(order))
    if pixels.dtype != np.dtype(dtype):
        pixels = pixels.astype(dtype)
    shape = (message.height, message.width)
    image = pixels.reshape(shape if channels == 1 else (*shape, channels))
    image.flags.writeable = False
    return image


def _encoding(encoding: str) -> tuple[type, int]:
    if encoding not in _DTYPES:
        raise ConfigurationError(
            f"image encoding {encoding!r} is not supported; expected one of: {', '.join(_DTYPES)}"
        )
    return _DTYPES[encoding]

"""sensor_msgs/Image <-> arrays.

Reading goes through cv_bridge where a ROS desktop provides it, through rosbags-image
otherwise; which one is decided here and nowhere else, and both pass the same contract
test. Arrays made from a message are read-only views of it where the encoding allows, so
that receiving an image costs no copy. Writing is the same everywhere: neither library
fills a message without copying the pixels twice.
"""

import array
import functools
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_ros.nodes.conversions import ns_to_stamp

Decoder = Callable[[Any], NDArray[Any]]
"""Image-like message with rows packed to the width -> array (H, W) or (H, W, C)."""

_DTYPES = {"rgb8": (np.uint8, 3), "bgr8": (np.uint8, 3), "mono8": (np.uint8, 1)}
_DTYPES |= {"16UC1": (np.uint16, 1), "mono16": (np.uint16, 1), "32FC1": (np.float32, 1)}


def _load_cv_bridge() -> Decoder:
    from cv_bridge import CvBridge

    bridge = CvBridge()

    def decode(message: Any) -> NDArray[Any]:
        return bridge.imgmsg_to_cv2(message, desired_encoding="passthrough")

    return decode


def _load_rosbags_image() -> Decoder:
    from rosbags.image import image_to_cvimage

    return image_to_cvimage


BACKENDS: Mapping[str, Callable[[], Decoder]] = {
    "cv_bridge": _load_cv_bridge,
    "rosbags-image": _load_rosbags_image,
}
"""Name -> loader, in the order of preference; a loader raises ImportError."""


def available_backends(
    backends: Mapping[str, Callable[[], Decoder]] = BACKENDS,
) -> dict[str, Decoder]:
    """The installed ones, best first."""
    decoders = {}
    for name, load in backends.items():
        try:
            decoders[name] = load()
        except ImportError:
            continue
    return decoders


def choose_backend(
    backends: Mapping[str, Callable[[], Decoder]] = BACKENDS,
) -> tuple[str, Decoder]:
    """Name and decoder of the best installed backend.

    Raises:
        MissingDependencyError: none is installed.
    """
    for name, load in backends.items():
        try:
            return name, load()
        except ImportError:
            continue
    raise MissingDependencyError(
        f"no image conversion is installed; expected one of: {', '.join(backends)}. Install"
        " ros-<distro>-cv-bridge on a ROS desktop, or `pip install rosbags-image` elsewhere."
    )


@functools.cache
def _chosen_decoder() -> Decoder:
    return choose_backend()[1]


def image_to_msg(
    image: NDArray[Any], encoding: str, frame_id: str, stamp_ns: int, message: Image | None = None
) -> Image:
    """Array (H, W) or (H, W, C) to sensor_msgs/Image.

    Args:
        message: filled instead of a new one, for publishers that reuse theirs.

    Raises:
        ConfigurationError: unknown encoding, or dtype or channels do not fit it.
    """
    dtype, channels = _encoding(encoding)
    shape_fits = image.ndim == 2 if channels == 1 else image.shape[2:] == (channels,)
    if image.dtype != dtype or not shape_fits:
        raise ConfigurationError(
            f"image is {image.dtype} of shape {image.shape}; {encoding} needs"
            f" {np.dtype(dtype)} of shape (H, W{'' if channels == 1 else f', {channels}'})"
        )
    message = Image() if message is None else message
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    message.height, message.width = image.shape[:2]
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = image.shape[1] * channels * np.dtype(dtype).itemsize
    # an array.array is taken as it is; bytes or lists would be copied element by element
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(image).data.cast("B"))
    message.data = data
    return message


def msg_to_image(message: Image, decode: Decoder | None = None) -> NDArray[Any]:
    """sensor_msgs/Image to a read-only array (H, W) or (H, W, C).

    A view of the message without a copy, unless its rows are padded or its bytes are in the
    order of another machine. The encoding is kept: no colour conversion, no scaling.

    Args:
        decode: backend to use; the best installed one when None.

    Raises:
        ConfigurationError: unknown encoding or inconsistent sizes.
        MissingDependencyError: no image conversion is installed.
    """
    dtype, channels = _encoding(message.encoding)
    row_bytes = message.width * channels * np.dtype(dtype).itemsize
    if message.step < row_bytes or len(message.data) < message.step * message.height:
        raise ConfigurationError(
            f"{message.encoding} image {message.width}x{message.height} needs rows of"
            f" {row_bytes} bytes; got step {message.step} and {len(message.data)} bytes"
        )
    decode = _chosen_decoder() if decode is None else decode
    shape = (message.height, message.width)
    image = decode(message if message.step == row_bytes else _packed(message, row_bytes))
    image = image.reshape(shape if channels == 1 else (*shape, channels))
    image.flags.writeable = False
    return image


@dataclass(frozen=True, slots=True)
class _PackedImage:
    """What the decoders read of a message, without padding at the row ends."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: bytes


def _packed(message: Image, row_bytes: int) -> _PackedImage:
    rows = np.frombuffer(message.data, np.uint8, message.step * message.height)
    rows = rows.reshape(message.height, message.step)[:, :row_bytes]
    return _PackedImage(
        height=message.height,
        width=message.width,
        encoding=message.encoding,
        is_bigendian=message.is_bigendian,
        step=row_bytes,
        data=rows.tobytes(),
    )


def _encoding(encoding: str) -> tuple[type, int]:
    if encoding not in _DTYPES:
        raise ConfigurationError(
            f"image encoding {encoding!r} is not supported; expected one of: {', '.join(_DTYPES)}"
        )
    return _DTYPES[encoding]

"""Images between their raw and their compressed form, as messages of a bag."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode import COLOR_TOPIC, DEPTH_TOPIC
from spatialbot_model.contracts.episode_images import (
    COMPRESSED_TYPE,
    DEPTH_PNG_MESSAGE_FORMAT,
    JPEG_MESSAGE_FORMAT,
    ImageFormats,
    depth_png_of_payload,
    depth_png_to_payload,
)
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import image_of
from spatialbot_ros.episodes.message_types import message_types

IMAGE_TYPE = "sensor_msgs/msg/Image"
# of the settings tried on RGB-D frames the fastest, and within a percent of the smallest
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]


def compress_cdr(topic: str, data: bytes, formats: ImageFormats) -> bytes:
    """A serialised CompressedImage from a serialised Image, same header.

    Args:
        topic: `COLOR_TOPIC` or `DEPTH_TOPIC`, which `formats` compresses.
        data: CDR bytes of a sensor_msgs/Image.

    Raises:
        RecordingError: not an image that can be compressed.
    """
    store = message_types()
    try:
        message: Any = store.deserialize_cdr(data, IMAGE_TYPE)
    except Exception as error:  # rosbags' generated decoders raise whatever breaks first
        raise RecordingError(f"a message of {topic} is no {IMAGE_TYPE}: {error}") from error
    pixels = image_of(message)
    if topic == COLOR_TOPIC:
        text, payload = JPEG_MESSAGE_FORMAT, _to_jpeg(pixels, formats.jpeg_quality)
    else:
        text, payload = DEPTH_PNG_MESSAGE_FORMAT, depth_png_to_payload(_to_png(pixels))
    compressed = store.types[COMPRESSED_TYPE](
        header=message.header, format=text, data=np.frombuffer(payload, np.uint8)
    )
    return bytes(store.serialize_cdr(compressed, COMPRESSED_TYPE))


def expand(topic: str, message: Any) -> Any:
    """A sensor_msgs/Image from a CompressedImage.

    Args:
        topic: `COLOR_TOPIC` or `DEPTH_TOPIC`, whose images these are.

    Raises:
        RecordingError: it does not decode to an image of this topic.
    """
    payload = np.asarray(message.data, np.uint8).tobytes()
    pixels: NDArray[Any]
    if topic == DEPTH_TOPIC:
        pixels = _decode(depth_png_of_payload(payload, message.format), cv2.IMREAD_UNCHANGED)
        encoding, dtype, dimensions = "16UC1", "uint16", 2
    else:
        pixels = cv2.cvtColor(_decode(payload, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        encoding, dtype, dimensions = "rgb8", "uint8", 3
    if pixels.dtype != dtype or pixels.ndim != dimensions:
        raise RecordingError(
            f"a compressed image of {topic} holds {pixels.dtype} of shape {pixels.shape},"
            f" expected {encoding}"
        )
    return message_types().types[IMAGE_TYPE](
        header=message.header,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels[0].nbytes,
        data=pixels.reshape(-1).view(np.uint8),
    )


def _to_jpeg(color: NDArray[np.uint8], quality: int) -> bytes:
    if color.ndim != 3:
        raise RecordingError(f"a colour image has shape {color.shape}; expected rgb8")
    bgr = cv2.cvtColor(color, cv2.COLOR_RGB2BGR)
    return _encode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])


def _to_png(depth_mm: NDArray[np.uint16]) -> bytes:
    if depth_mm.dtype != np.uint16 or depth_mm.ndim != 2:
        raise RecordingError(
            f"a depth image is {depth_mm.dtype} of shape {depth_mm.shape}; expected 16UC1"
        )
    return _encode(".png", depth_mm, _PNG)


def _encode(suffix: str, pixels: Any, options: list[int]) -> bytes:
    try:
        done, data = cv2.imencode(suffix, pixels, options)
    except cv2.error as error:
        raise RecordingError(f"an image of {pixels.shape} was not compressed: {error}") from error
    if not done:
        raise RecordingError(f"an image of {pixels.shape} cannot be compressed as {suffix[1:]}")
    return bytes(data.tobytes())


def _decode(data: bytes, flags: int) -> NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise RecordingError(f"a compressed image does not decode: {error}") from error
    if pixels is None:
        raise RecordingError("a compressed image does not decode: it is no JPEG or PNG, or cut off")
    return np.asarray(pixels)

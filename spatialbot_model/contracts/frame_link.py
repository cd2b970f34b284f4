"""Wire form of the simulated sensor's raw frames: bytes <-> dataclass, no sockets here.

The simulated lab plays the part of the camera's imagers: it sends raw colour and raw
depth (each from its own viewpoint) over a loopback TCP stream on `FRAME_PORT` of the
simulator's address. The camera node puts them into a librealsense software device, so
that synchronising, aligning and filtering stay librealsense's.

Stream: one hello (`SensorDescription` as a length-prefixed UTF-8 JSON), then frames, each
a fixed header followed by the colour and the depth bytes. The receiver answers each frame
with its frame number (uint64, little endian), so that the simulation may wait for it. One of the
two images may be missing (0 bytes), as when a sensor of a real camera stops.
"""

import json
import math
import struct
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import CameraError
from spatialbot_model.contracts.types import CameraIntrinsics

FRAME_PORT = 1339
"""Beside libfranka's own 1337 (robot) and 1338 (gripper)."""

PROTOCOL_VERSION = 1
_MAGIC = b"SBRF"
_HEADER = struct.Struct("<4sHxxQqII")
_ACK = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")
HEADER_BYTES = _HEADER.size
ACK_BYTES = _ACK.size
LENGTH_BYTES = _LENGTH.size
MAX_HELLO_BYTES = 65536


@dataclass(frozen=True, slots=True)
class SensorDescription:
    """What a real device would report about itself.

    Attributes:
        color, depth: intrinsics of the two raw streams.
        depth_to_color_translation_m: position of the depth origin in the colour optical frame;
            the optical axes are parallel.
        stereo_baseline_m: distance of the two infrared imagers.
        rate_hz: frame rate of both streams.
    """

    name: str
    serial_no: str
    color: CameraIntrinsics
    depth: CameraIntrinsics
    depth_to_color_translation_m: tuple[float, float, float]
    stereo_baseline_m: float
    rate_hz: float


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One exposure: raw colour (H, W, 3) uint8 and raw depth (H, W) uint16 mm, not aligned.

    An image that its sensor did not deliver is empty: (0, 0, 3) or (0, 0).
    """

    frame_number: int
    stamp_ns: int
    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]

    @property
    def is_half(self) -> bool:
        """Whether one of the two sensors did not deliver."""
        return self.color.size == 0 or self.depth_mm.size == 0


def encode_hello(description: SensorDescription) -> bytes:
    """Length-prefixed JSON of the description."""
    body = json.dumps({"version": PROTOCOL_VERSION, **asdict(description)}).encode()
    return _LENGTH.pack(len(body)) + body


def hello_length(prefix: bytes) -> int:
    """Byte count that follows the first `LENGTH_BYTES` bytes of the stream."""
    (length,) = _LENGTH.unpack(prefix)
    if not 0 < length <= MAX_HELLO_BYTES:
        raise CameraError(
            f"the peer announced a {length}-byte description; expected 1..{MAX_HELLO_BYTES}."
            " Is another program listening on the simulator's frame port?"
        )
    return int(length)


def decode_hello(body: bytes) -> SensorDescription:
    """Inverse of `encode_hello`, without the length prefix.

    Raises:
        CameraError: not JSON of this protocol version.
    """
    try:
        data = json.loads(body)
        version = data.pop("version")
        if version != PROTOCOL_VERSION:
            raise CameraError(
                f"the simulator speaks frame protocol {version}, this camera {PROTOCOL_VERSION};"
                " use the same software version on both sides"
            )
        data["color"] = CameraIntrinsics(
            **{**data["color"], "distortion": tuple(data["color"]["distortion"])}
        )
        data["depth"] = CameraIntrinsics(
            **{**data["depth"], "distortion": tuple(data["depth"]["distortion"])}
        )
        data["depth_to_color_translation_m"] = tuple(data["depth_to_color_translation_m"])
        return SensorDescription(**data)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CameraError(f"malformed sensor description from the simulator: {error}") from error


def encode_frame_header(frame: RawFrame) -> bytes:
    """Header bytes; the colour bytes and then the depth bytes follow it on the stream."""
    return _HEADER.pack(
        _MAGIC,
        PROTOCOL_VERSION,
        frame.frame_number,
        frame.stamp_ns,
        frame.color.nbytes,
        frame.depth_mm.nbytes,
    )


def decode_frame(
    header: bytes, payload: bytes | bytearray, description: SensorDescription
) -> RawFrame:
    """Inverse of header + payload; the arrays are views of `payload`.

    Raises:
        CameraError: wrong magic, version or sizes.
    """
    magic, version, number, stamp_ns, color_bytes, depth_bytes = _HEADER.unpack(header)
    color, depth = description.color, description.depth
    expected = (3 * color.width * color.height, 2 * depth.width * depth.height)
    sizes = (color_bytes, depth_bytes)
    is_known = magic == _MAGIC and version == PROTOCOL_VERSION
    if not is_known or sizes not in (expected, (expected[0], 0), (0, expected[1])):
        raise CameraError(
            f"malformed frame header: magic {magic!r}, version {version}, {color_bytes} +"
            f" {depth_bytes} bytes; expected {_MAGIC!r}, {PROTOCOL_VERSION}, {expected} or one of"
            " the two"
        )
    color_shape = (color.height, color.width, 3) if color_bytes else (0, 0, 3)
    depth_shape = (depth.height, depth.width) if depth_bytes else (0, 0)
    return RawFrame(
        frame_number=number,
        stamp_ns=stamp_ns,
        color=_pixels(payload, np.dtype(np.uint8), 0, color_shape),
        depth_mm=_pixels(payload, np.dtype("<u2"), color_bytes, depth_shape),
    )


def _pixels(
    payload: bytes | bytearray, dtype: "np.dtype[Any]", offset: int, shape: tuple[int, ...]
) -> NDArray[Any]:
    count = math.prod(shape)
    # numpy does not take an empty buffer, which a frame without its second image ends in
    if count == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(payload, dtype, count, offset).reshape(shape)


def payload_bytes(header: bytes) -> int:
    """Number of bytes that follow a frame header."""
    *_, color_bytes, depth_bytes = _HEADER.unpack(header)
    return int(color_bytes + depth_bytes)


def encode_ack(frame_number: int) -> bytes:
    """The receiver's answer once it has taken a frame."""
    return _ACK.pack(frame_number)


def decode_ack(data: bytes) -> int:
    """Frame number of an acknowledgement."""
    return int(_ACK.unpack(data)[0])

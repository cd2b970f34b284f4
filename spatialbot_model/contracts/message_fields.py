"""Plain values from anything shaped like a ROS message: rclpy's own, or decoded from a bag."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.transforms import compose, quaternion_to_matrix
from spatialbot_model.contracts.types import CameraIntrinsics

_PIXELS: dict[str, tuple[np.dtype[Any], int]] = {
    "rgb8": (np.dtype(np.uint8), 3),
    "16UC1": (np.dtype("<u2"), 1),
}


def stamp_ns_of(stamp: Any) -> int:
    """builtin_interfaces/Time to nanoseconds."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def image_of(message: Any) -> NDArray[Any]:
    """Array of a sensor_msgs/Image in an encoding of the episode contract, no copy.

    Raises:
        RecordingError: another encoding, or sizes that do not fit.
    """
    if message.encoding not in _PIXELS or message.is_bigendian:
        raise RecordingError(
            f"an image has encoding {message.encoding!r} (big-endian:"
            f" {bool(message.is_bigendian)}); expected little-endian {' or '.join(_PIXELS)}"
        )
    dtype, channels = _PIXELS[message.encoding]
    row_bytes = message.width * channels * dtype.itemsize
    if message.step != row_bytes or len(message.data) != row_bytes * message.height:
        raise RecordingError(
            f"a {message.encoding} image of {message.width}x{message.height} has step"
            f" {message.step} and {len(message.data)} bytes; expected {row_bytes} and"
            f" {row_bytes * message.height}"
        )
    shape = (message.height, message.width) + ((channels,) if channels > 1 else ())
    image: NDArray[Any] = np.frombuffer(message.data, dtype).reshape(shape)
    image.flags.writeable = False
    return image


def intrinsics_of(message: Any) -> CameraIntrinsics:
    """Pinhole model of a sensor_msgs/CameraInfo."""
    k, d = message.k, tuple(float(v) for v in message.d) or (0.0,) * 5
    return CameraIntrinsics(
        width=int(message.width),
        height=int(message.height),
        fx_px=float(k[0]),
        fy_px=float(k[4]),
        cx_px=float(k[2]),
        cy_px=float(k[5]),
        distortion=d,  # type: ignore[arg-type]
    )


def transform_of(message: Any) -> NDArray[np.float64]:
    """geometry_msgs/Transform to (4, 4)."""
    q, t = message.rotation, message.translation
    return compose(quaternion_to_matrix([q.x, q.y, q.z, q.w]), [t.x, t.y, t.z])


def pose_of(message: Any) -> NDArray[np.float64]:
    """geometry_msgs/Pose to (4, 4)."""
    q, t = message.orientation, message.position
    return compose(quaternion_to_matrix([q.x, q.y, q.z, q.w]), [t.x, t.y, t.z])

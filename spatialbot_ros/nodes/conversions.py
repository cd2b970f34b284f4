"""Messages <-> plain values: stamps, poses, transforms, camera_info. Images: `images.py`."""

import numpy as np
from builtin_interfaces.msg import Time as TimeMsg
from geometry_msgs.msg import Pose, Transform, TransformStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.message_fields import intrinsics_of, stamp_ns_of, transform_of
from spatialbot_model.contracts.transforms import (
    compose,
    matrix_to_quaternion,
    quaternion_to_matrix,
)
from spatialbot_model.contracts.types import CameraIntrinsics

_NS_PER_S = 1_000_000_000


def stamp_to_ns(stamp: TimeMsg) -> int:
    """builtin_interfaces/Time to nanoseconds."""
    return stamp_ns_of(stamp)


def ns_to_stamp(stamp_ns: int) -> TimeMsg:
    """Nanoseconds to builtin_interfaces/Time."""
    return TimeMsg(sec=stamp_ns // _NS_PER_S, nanosec=stamp_ns % _NS_PER_S)


def pose_to_msg(T: NDArray[np.float64]) -> Pose:
    """(4, 4) to geometry_msgs/Pose [m]."""
    pose = Pose()
    pose.position.x, pose.position.y, pose.position.z = (float(v) for v in T[:3, 3])
    x, y, z, w = (float(v) for v in matrix_to_quaternion(T[:3, :3]))
    pose.orientation.x, pose.orientation.y = x, y
    pose.orientation.z, pose.orientation.w = z, w
    return pose


def msg_to_pose(pose: Pose) -> NDArray[np.float64]:
    """geometry_msgs/Pose to (4, 4) [m]."""
    q, p = pose.orientation, pose.position
    return compose(quaternion_to_matrix([q.x, q.y, q.z, q.w]), [p.x, p.y, p.z])


def transform_to_msg(
    T: NDArray[np.float64], parent: str, child: str, stamp_ns: int
) -> TransformStamped:
    """(4, 4) pose of `child` in `parent` to TransformStamped."""
    message = TransformStamped()
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = parent
    message.child_frame_id = child
    pose = pose_to_msg(T)
    message.transform.translation.x = pose.position.x
    message.transform.translation.y = pose.position.y
    message.transform.translation.z = pose.position.z
    message.transform.rotation = pose.orientation
    return message


def msg_to_transform(transform: Transform) -> NDArray[np.float64]:
    """geometry_msgs/Transform to (4, 4)."""
    return transform_of(transform)


def camera_info_to_msg(intrinsics: CameraIntrinsics, frame_id: str, stamp_ns: int) -> CameraInfo:
    """sensor_msgs/CameraInfo as realsense-ros fills it: plumb_bob, R = I, P = [K|0]."""
    message = CameraInfo()
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = frame_id
    message.width, message.height = intrinsics.width, intrinsics.height
    message.distortion_model = "plumb_bob"
    message.d = [float(v) for v in intrinsics.distortion]
    K = intrinsics.matrix
    message.k = K.ravel().tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.hstack([K, np.zeros((3, 1))]).ravel().tolist()
    return message


def msg_to_intrinsics(message: CameraInfo) -> CameraIntrinsics:
    """sensor_msgs/CameraInfo to intrinsics.

    Raises:
        ConfigurationError: focal lengths are not positive, or distortion is not plumb_bob.
    """
    k = message.k
    if not (k[0] > 0 and k[4] > 0):
        raise ConfigurationError(
            f"camera_info of {message.header.frame_id!r} has focal lengths {k[0]}, {k[4]};"
            " expected positive pixels. Is the camera calibrated?"
        )
    distortion = tuple(float(v) for v in message.d) or (0.0,) * 5
    if message.distortion_model not in ("plumb_bob", "") or len(distortion) != 5:
        raise ConfigurationError(
            f"camera_info distortion is {message.distortion_model!r} with {len(distortion)}"
            " coefficients; expected plumb_bob with 5"
        )
    return intrinsics_of(message)

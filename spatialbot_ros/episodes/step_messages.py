"""Messages that are made from what the simulation measures."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import matrix_to_quaternion
from spatialbot_model.contracts.types import (
    BASE_FRAME,
    COLOR_OPTICAL_FRAME,
    CameraIntrinsics,
)
from spatialbot_ros.episodes.message_builder import build, header, stamp


class AnnotationLike(Protocol):
    """See `spatialbot_sim.annotator.Annotation`."""

    @property
    def instruction(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def pick(self) -> NDArray[np.float64] | None: ...
    @property
    def place(self) -> NDArray[np.float64] | None: ...


def image_message(pixels: NDArray[Any], encoding: str, stamp_ns: int) -> Any:
    """A sensor_msgs/Image in the colour optical frame."""
    pixels = np.ascontiguousarray(pixels)
    return build(
        "sensor_msgs/msg/Image",
        header=header(stamp_ns, COLOR_OPTICAL_FRAME),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels[0].nbytes,
        data=pixels.reshape(-1).view(np.uint8),
    )


def camera_info_message(intrinsics: CameraIntrinsics, stamp_ns: int) -> Any:
    """A sensor_msgs/CameraInfo of colour and of the depth aligned to it."""
    K = intrinsics.matrix
    return build(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp_ns, COLOR_OPTICAL_FRAME),
        width=intrinsics.width,
        height=intrinsics.height,
        distortion_model="plumb_bob",
        d=np.array(intrinsics.distortion, dtype=np.float64),
        k=K.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([K, np.zeros((3, 1))]).ravel(),
    )


def pose_message(T: NDArray[np.float64]) -> Any:
    """A geometry_msgs/Pose of a (4, 4) pose."""
    x, y, z = (float(v) for v in T[:3, 3])
    qx, qy, qz, qw = (float(v) for v in matrix_to_quaternion(T[:3, :3]))
    return build(
        "geometry_msgs/msg/Pose",
        position=build("geometry_msgs/msg/Point", x=x, y=y, z=z),
        orientation=build("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
    )


def static_transform_message(T_base_color: NDArray[np.float64], stamp_ns: int) -> Any:
    """The tf2_msgs/TFMessage of the camera's pose in the base frame."""
    pose = pose_message(T_base_color)
    at = pose.position
    transform = build(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp_ns, BASE_FRAME),
        child_frame_id=COLOR_OPTICAL_FRAME,
        transform=build(
            "geometry_msgs/msg/Transform",
            translation=build("geometry_msgs/msg/Vector3", x=at.x, y=at.y, z=at.z),
            rotation=pose.orientation,
        ),
    )
    return build("tf2_msgs/msg/TFMessage", transforms=[transform])


def annotation_message(annotation: AnnotationLike, stamp_ns: int) -> Any:
    """A spatialbot_msgs/Annotation of the frame with a stamp."""
    nowhere = np.zeros(4)
    pick, place = annotation.pick, annotation.place
    return build(
        "spatialbot_msgs/msg/Annotation",
        header=header(stamp_ns, BASE_FRAME),
        observation_stamp=stamp(stamp_ns),
        instruction=annotation.instruction,
        text=annotation.text,
        pick_known=pick is not None,
        pick=nowhere if pick is None else pick,
        place_known=place is not None,
        place=nowhere if place is None else place,
    )

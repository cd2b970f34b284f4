"""The camera's image topics: who listens, and what is published for one frameset."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo as CameraInfoMsg
from sensor_msgs.msg import Image, PointCloud2

from spatialbot_model.contracts.depth_codec import encode_depth
from spatialbot_model.contracts.transforms import invert
from spatialbot_model.contracts.types import COLOR_OPTICAL_FRAME, CameraIntrinsics
from spatialbot_ros.nodes.camera_parameters import CameraParameters
from spatialbot_ros.nodes.conversions import camera_info_to_msg, ns_to_stamp
from spatialbot_ros.nodes.images import image_to_msg
from spatialbot_ros.nodes.point_clouds import colored_points, points_to_msg
from spatialbot_ros.nodes.qos import RECORDED
from spatialbot_ros.ports import CameraFrameset, CameraInfo

DEPTH_OPTICAL_FRAME = "camera_depth_optical_frame"

IMAGE_QOS = QoSProfile(depth=10)
"""As readers find it at realsense-ros (reliable, volatile), with room for a reader held up."""


class CameraPublishers:
    """Publishes what is subscribed, nothing else; all of one frameset under one stamp."""

    def __init__(self, node: Node, parameters: CameraParameters) -> None:
        self._parameters = parameters
        self._color = _ImageTopic(node, "~/color", "image_raw")
        self._depth = _ImageTopic(node, "~/depth", "image_rect_raw")
        self._aligned = (
            _ImageTopic(node, "~/aligned_depth_to_color", "image_raw")
            if parameters.align_depth
            else None
        )
        self._encoded = _ImageTopic(node, "~/depth_encoded", "image_raw", with_info=False)
        self._points = (
            _create(node, PointCloud2, "~/depth/color/points", IMAGE_QOS)
            if parameters.pointcloud
            else None
        )

    def wants_aligned_depth(self) -> bool:
        """Whether anybody listens to something that is made from aligned depth."""
        return (
            (self._aligned is not None and _is_subscribed(self._aligned.image))
            or (self._parameters.align_depth and _is_subscribed(self._encoded.image))
            or (self._points is not None and _is_subscribed(self._points))
        )

    def publish(self, frameset: CameraFrameset, info: CameraInfo) -> int:
        """Publish one frameset; returns the number of messages that went out."""
        stamp_ns = frameset.stamp_ns
        aligned_mm = frameset.aligned_depth_mm
        published = self._color.publish(
            lambda: frameset.color, "rgb8", COLOR_OPTICAL_FRAME, stamp_ns, info.color
        )
        published += self._depth.publish(
            lambda: frameset.depth_mm, "16UC1", DEPTH_OPTICAL_FRAME, stamp_ns, info.depth
        )
        if self._aligned is not None:
            # its camera_info may be wanted without the image, which is then not computed
            published += self._aligned.publish(
                lambda: aligned_mm, "16UC1", COLOR_OPTICAL_FRAME, stamp_ns, info.color
            )
        encode_aligned = self._parameters.align_depth
        published += self._encoded.publish(
            lambda: self._encode(aligned_mm if encode_aligned else frameset.depth_mm),
            "rgb8",
            COLOR_OPTICAL_FRAME if encode_aligned else DEPTH_OPTICAL_FRAME,
            stamp_ns,
            info.color,
        )
        if self._points is not None and aligned_mm is not None and _is_subscribed(self._points):
            points = colored_points(
                aligned_mm, frameset.color, info.color, invert(info.T_color_depth)
            )
            self._points.publish(points_to_msg(points, DEPTH_OPTICAL_FRAME, stamp_ns))
            published += 1
        return published

    def _encode(self, depth_mm: NDArray[Any] | None) -> NDArray[Any] | None:
        if depth_mm is None:
            return None
        return encode_depth(depth_mm, self._parameters.depth_encoding)


class _ImageTopic:
    """One image topic and its camera_info."""

    def __init__(self, node: Node, prefix: str, name: str, *, with_info: bool = True) -> None:
        self.image = _create(node, Image, f"{prefix}/{name}", IMAGE_QOS)
        self._info = (
            _create(node, CameraInfoMsg, f"{prefix}/camera_info", RECORDED) if with_info else None
        )
        self._message = Image()
        self._info_message: CameraInfoMsg | None = None
        self._info_intrinsics: CameraIntrinsics | None = None

    def publish(
        self,
        make_pixels: Callable[[], NDArray[Any] | None],
        encoding: str,
        frame_id: str,
        stamp_ns: int,
        intrinsics: CameraIntrinsics,
    ) -> int:
        """Publish the image and camera_info where subscribed; `make_pixels` runs only then."""
        published = 0
        if self._info is not None and _is_subscribed(self._info):
            self._info.publish(self._make_info(intrinsics, frame_id, stamp_ns))
            published += 1
        if _is_subscribed(self.image):
            pixels = make_pixels()
            # someone may have subscribed after it was decided what this frameset needs
            if pixels is not None:
                self.image.publish(
                    image_to_msg(pixels, encoding, frame_id, stamp_ns, self._message)
                )
                published += 1
        return published

    def _make_info(
        self, intrinsics: CameraIntrinsics, frame_id: str, stamp_ns: int
    ) -> CameraInfoMsg:
        if self._info_message is None or intrinsics != self._info_intrinsics:
            self._info_message = camera_info_to_msg(intrinsics, frame_id, stamp_ns)
            self._info_intrinsics = intrinsics
        self._info_message.header.stamp = ns_to_stamp(stamp_ns)
        return self._info_message


def _create(node: Node, message_type: type, topic: str, qos: QoSProfile) -> Publisher:
    return node.create_publisher(
        message_type,
        topic,
        qos,
        qos_overriding_options=QoSOverridingOptions.with_default_policies(),
    )


def _is_subscribed(publisher: Publisher) -> bool:
    return publisher.get_subscription_count() > 0

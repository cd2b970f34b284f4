"""Topics that need realsense2_camera_msgs, which only ROS desktops have."""

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

EXTRINSICS_FRAME = "depth_to_color_extrinsics"


class ExtrinsicsPublisher:
    """Latches ``~/extrinsics/depth_to_color``; does nothing without the message package."""

    def __init__(self, node: Node) -> None:
        try:
            from realsense2_camera_msgs.msg import Extrinsics
        except ImportError:
            self._publisher = None
            return
        self._message_type = Extrinsics
        self._publisher = node.create_publisher(
            Extrinsics,
            "~/extrinsics/depth_to_color",
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL),
        )

    def send(self, T_color_depth: NDArray[np.float64]) -> None:
        """Publish the pose of the depth optical frame in the colour optical frame."""
        if self._publisher is None:
            return
        message = self._message_type()
        message.header.frame_id = EXTRINSICS_FRAME
        # column-major, as librealsense keeps it
        message.rotation = T_color_depth[:3, :3].ravel(order="F").tolist()
        message.translation = T_color_depth[:3, 3].tolist()
        self._publisher.publish(message)

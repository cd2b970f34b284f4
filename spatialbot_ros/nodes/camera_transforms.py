"""Static frames of the camera, as realsense-ros names them, and where the cell has it.

``camera_link`` is the body frame of the depth sensor (x forward, y left, z up).
"""

import numpy as np
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import R_LINK_OPTICAL, Cell
from spatialbot_model.contracts.transforms import compose, invert
from spatialbot_model.contracts.types import BASE_FRAME, COLOR_OPTICAL_FRAME
from spatialbot_ros.nodes.camera_publishers import DEPTH_OPTICAL_FRAME
from spatialbot_ros.nodes.conversions import transform_to_msg

CAMERA_FRAME = "camera_link"
DEPTH_FRAME = "camera_depth_frame"
COLOR_FRAME = "camera_color_frame"


def camera_transforms(T_color_depth: NDArray[np.float64], stamp_ns: int) -> list[TransformStamped]:
    """camera_link -> depth and colour frames, from the device's own calibration.

    Args:
        T_color_depth: (4, 4) pose of the depth optical frame in the colour optical frame.
    """
    T_body_optical = compose(R_LINK_OPTICAL, np.zeros(3))
    T_link_color = T_body_optical @ invert(T_color_depth) @ invert(T_body_optical)
    return [
        transform_to_msg(np.eye(4), CAMERA_FRAME, DEPTH_FRAME, stamp_ns),
        transform_to_msg(T_body_optical, DEPTH_FRAME, DEPTH_OPTICAL_FRAME, stamp_ns),
        transform_to_msg(T_link_color, CAMERA_FRAME, COLOR_FRAME, stamp_ns),
        transform_to_msg(T_body_optical, COLOR_FRAME, COLOR_OPTICAL_FRAME, stamp_ns),
    ]


def base_transform(cell: Cell, stamp_ns: int) -> TransformStamped:
    """fr3_link0 -> camera_link, the calibrated mount."""
    return transform_to_msg(cell.camera.T_base_link, BASE_FRAME, CAMERA_FRAME, stamp_ns)

"""Coloured point clouds: aligned depth + colour -> sensor_msgs/PointCloud2.

Through sensor_msgs_py where a ROS desktop provides it, written directly otherwise; the
bytes are the same. Layout as realsense-ros: unordered x, y, z [m] and packed rgb, all
float32, pixels without depth left out.
"""

import array
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_ros.nodes.conversions import ns_to_stamp

POINT = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<f4")])

CloudWriter = Callable[[Header, list[PointField], NDArray[np.void]], PointCloud2]


def colored_points(
    depth_mm: NDArray[np.uint16],
    color: NDArray[np.uint8],
    intrinsics: CameraIntrinsics,
    T_target_color: NDArray[np.float64],
) -> NDArray[np.void]:
    """Every pixel that has depth as a point.

    Args:
        depth_mm: (H, W) aligned to colour, 0 = invalid.
        color: (H, W, 3) RGB.
        intrinsics: of the colour stream.
        T_target_color: (4, 4) pose of the colour optical frame in the wanted frame.

    Returns:
        (N,) of `POINT`, positions in the wanted frame [m].
    """
    v_px, u_px = np.nonzero(depth_mm)
    z_m = depth_mm[v_px, u_px].astype(np.float32) * np.float32(1e-3)
    ray_x = np.float32(1.0 / intrinsics.fx_px) * (u_px - np.float32(intrinsics.cx_px))
    ray_y = np.float32(1.0 / intrinsics.fy_px) * (v_px - np.float32(intrinsics.cy_px))
    in_color_m = np.stack([ray_x * z_m, ray_y * z_m, z_m], axis=-1)
    T = T_target_color.astype(np.float32)
    in_target_m = in_color_m @ T[:3, :3].T + T[:3, 3]
    rgb = color[v_px, u_px].astype(np.uint32)
    points = np.empty(len(z_m), POINT)
    points["x"], points["y"], points["z"] = in_target_m.T
    points["rgb"] = (rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2]).view(np.float32)
    return points


def points_to_msg(
    points: NDArray[np.void], frame_id: str, stamp_ns: int, write: CloudWriter | None = None
) -> PointCloud2:
    """(N,) of `POINT` to PointCloud2.

    Args:
        write: how the message is filled; the best installed way when None.
    """
    header = Header(stamp=ns_to_stamp(stamp_ns), frame_id=frame_id)
    fields = [
        PointField(name=name, offset=POINT.fields[name][1], datatype=PointField.FLOAT32, count=1)
        for name in POINT.names
    ]
    return (_chosen_writer() if write is None else write)(header, fields, points)


def write_directly(
    header: Header, fields: list[PointField], points: NDArray[np.void]
) -> PointCloud2:
    """What sensor_msgs_py's ``create_cloud`` does, for machines without it."""
    data = array.array("B")
    data.frombytes(points.tobytes())
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.itemsize * len(points),
        data=data,
        is_dense=False,
    )


def available_writers() -> dict[str, CloudWriter]:
    """The installed ways, best first."""
    writers: dict[str, CloudWriter] = {}
    try:
        from sensor_msgs_py.point_cloud2 import create_cloud

        writers["sensor_msgs_py"] = create_cloud
    except ImportError:
        # only ROS desktops have it; the direct way below needs nothing
        pass
    writers["numpy"] = write_directly
    return writers


@functools.cache
def _chosen_writer() -> CloudWriter:
    return next(iter(available_writers().values()))

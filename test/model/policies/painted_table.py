"""Exact RGB-D pictures of a table with boards and blocks, without a renderer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.types import RgbdFrame

WOOD = (160, 110, 60)
RED = (200, 20, 20)
BLUE = (20, 40, 200)
_TABLE = (120, 120, 120)


@dataclass(frozen=True)
class Top:
    """The upper side of a thing: an axis-aligned rectangle at some height, in `fr3_link0`."""

    color: tuple[int, int, int]
    x_m: float
    y_m: float
    z_m: float
    size_x_m: float
    size_y_m: float


def paint(cell: Cell, tops: list[Top], stamp_ns: int) -> RgbdFrame:
    """What the cell's camera sees; only upper sides have a colour."""
    intrinsics = cell.camera.color
    T_base_camera = cell.camera.T_base_color
    v_px, u_px = np.mgrid[0 : intrinsics.height, 0 : intrinsics.width]
    rays = intrinsics.deproject(u_px, v_px, np.ones(u_px.shape)) @ T_base_camera[:3, :3].T
    origin_m = T_base_camera[:3, 3]
    # z-depth at which each pixel's ray meets a height; rays have unit depth
    table = Top(_TABLE, 0.0, 0.0, 0.0, 20.0, 20.0)
    nearest_m: NDArray[np.float64] = np.full(u_px.shape, np.inf)
    color = np.zeros((*u_px.shape, 3), np.uint8)
    for top in (table, *tops):
        with np.errstate(divide="ignore"):
            depth_m = (top.z_m - origin_m[2]) / rays[..., 2]
        hit_m = origin_m[:2] + rays[..., :2] * depth_m[..., None]
        inside = (
            (depth_m > 0.0)
            & (depth_m < nearest_m)
            & (np.abs(hit_m[..., 0] - top.x_m) < top.size_x_m / 2.0)
            & (np.abs(hit_m[..., 1] - top.y_m) < top.size_y_m / 2.0)
        )
        nearest_m[inside] = depth_m[inside]
        color[inside] = top.color
    seen = np.isfinite(nearest_m) & (nearest_m < 3.0)
    depth_mm = np.where(seen, np.rint(1000.0 * np.where(seen, nearest_m, 0.0)), 0.0)
    return RgbdFrame(stamp_ns, color, depth_mm.astype(np.uint16), intrinsics)

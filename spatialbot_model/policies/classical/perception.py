"""From one RGB-D frame to coloured objects and wooden boards in the base frame.

Colours are segmented in HSV, blobs are cut into connected components, and the aligned depth
puts every pixel into `fr3_link0`. An object's centre is the middle of its uppermost slice: seen
from above in front, a cube's top and a cup's rim are visible all round. What narrows to the top is
round and is placed by its outline.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import transform_points
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame

# OpenCV hue runs 0..179; objects are saturated, boards are wood: brownish, half saturated
_OBJECT_HUES = {"red": ((0, 7), (172, 179)), "yellow": ((23, 34),), "green": ((40, 85),)}
_OBJECT_HUES |= {"blue": ((98, 128),)}
_OBJECT_MIN_SATURATION = 140
_OBJECT_MIN_VALUE = 45
_WOOD_HUE = (8, 22)
_WOOD_SATURATION = (50, 190)
_MIN_OBJECT_PIXELS = 60
_MIN_BOARD_PIXELS = 1500
_EDGE_PERCENT = 3.0
_TOP_PERCENT = 92.0
_TOP_SLICE_M = 0.009
_ROUND_WIDTH = 0.86
"""A top narrower than this share of the whole is that of a ball."""
# objects are at most 6 cm, boards 20 cm deep along the line of sight
_OBJECT_SPREAD_MM = 45.0
_BOARD_SPREAD_MM = 200.0


@dataclass(frozen=True, slots=True)
class Blob:
    """One thing on the table.

    Attributes:
        label: colour of an object, "board" of a board.
        center_m: (2,) middle of the upper side, x and y in `fr3_link0`.
        size_m: (2,) visible extent of the upper side in x and y.
        top_m: height of its upper side above `fr3_link0`.
        num_pixels: pixels with depth that it was measured from.
    """

    label: str
    center_m: NDArray[np.float64]
    size_m: NDArray[np.float64]
    top_m: float
    num_pixels: int


def find_objects(frame: RgbdFrame, T_base_camera: NDArray[np.float64]) -> list[Blob]:
    """Coloured objects, on the table and in the gripper (tell them apart by `top_m`)."""
    hsv = cv2.cvtColor(frame.color, cv2.COLOR_RGB2HSV)
    vivid = (hsv[..., 1] >= _OBJECT_MIN_SATURATION) & (hsv[..., 2] >= _OBJECT_MIN_VALUE)
    blobs = []
    for color, ranges in _OBJECT_HUES.items():
        in_hue = np.zeros(vivid.shape, dtype=bool)
        for low, high in ranges:
            in_hue |= (hsv[..., 0] >= low) & (hsv[..., 0] <= high)
        blobs += _measure(
            color, in_hue & vivid, frame, T_base_camera, _MIN_OBJECT_PIXELS, _OBJECT_SPREAD_MM
        )
    return blobs


def find_boards(frame: RgbdFrame, T_base_camera: NDArray[np.float64]) -> list[Blob]:
    """Cutting boards on the table."""
    hsv = cv2.cvtColor(frame.color, cv2.COLOR_RGB2HSV)
    wood = (
        (hsv[..., 0] >= _WOOD_HUE[0])
        & (hsv[..., 0] <= _WOOD_HUE[1])
        & (hsv[..., 1] >= _WOOD_SATURATION[0])
        & (hsv[..., 1] <= _WOOD_SATURATION[1])
    )
    return _measure("board", wood, frame, T_base_camera, _MIN_BOARD_PIXELS, _BOARD_SPREAD_MM)


def _measure(
    label: str,
    mask: NDArray[np.bool_],
    frame: RgbdFrame,
    T_base_camera: NDArray[np.float64],
    min_pixels: int,
    max_spread_mm: float,
) -> list[Blob]:
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, components, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    blobs = []
    for index in range(1, count):
        if stats[index, cv2.CC_STAT_AREA] < min_pixels:
            continue
        rows, columns = np.nonzero((components == index) & (frame.depth_mm > 0))
        if len(rows) < min_pixels // 2:
            continue
        depth_mm = frame.depth_mm[rows, columns].astype(np.int64)
        near = np.abs(depth_mm - np.median(depth_mm)) < max_spread_mm
        rows, columns = rows[near], columns[near]
        z_m = frame.depth_mm[rows, columns].astype(np.float64) * 0.001
        points_m = transform_points(T_base_camera, frame.intrinsics.deproject(columns, rows, z_m))
        top_m = float(np.percentile(points_m[:, 2], _TOP_PERCENT))
        # at edges an aligned depth image shows what is before or behind; that is not in the slice
        upper_m = points_m[np.abs(points_m[:, 2] - top_m) < _TOP_SLICE_M, :2]
        low_m, high_m = np.percentile(upper_m, (_EDGE_PERCENT, 100.0 - _EDGE_PERCENT), axis=0)
        center_m, size_m = (low_m + high_m) / 2.0, high_m - low_m
        width_m = np.ptp(np.percentile(points_m[:, 1], (_EDGE_PERCENT, 100.0 - _EDGE_PERCENT)))
        if size_m[1] < _ROUND_WIDTH * width_m:
            # not half the top's height: a ball in the gripper is looked at, too
            distance_m = float(np.median(z_m))
            radius_m = stats[index, cv2.CC_STAT_WIDTH] / 2.0 * distance_m / frame.intrinsics.fx_px
            height_m = top_m - float(radius_m)
            center_m = _center_of_round(stats[index], frame.intrinsics, T_base_camera, height_m)
        blobs.append(Blob(label, center_m, size_m, top_m, len(rows)))
    return blobs


def _center_of_round(
    stats: NDArray[np.int32],
    intrinsics: CameraIntrinsics,
    T_base_camera: NDArray[np.float64],
    height_m: float,
) -> NDArray[np.float64]:
    """Where the line of sight through the middle of a ball's outline is at its centre's height.

    The far side of a ball is hidden, so the middle of what is visible lies too near; the outline
    is symmetric about the centre.
    """
    u_px = stats[cv2.CC_STAT_LEFT] + (stats[cv2.CC_STAT_WIDTH] - 1) / 2.0
    v_px = stats[cv2.CC_STAT_TOP] + (stats[cv2.CC_STAT_HEIGHT] - 1) / 2.0
    origin_m = T_base_camera[:3, 3]
    direction = T_base_camera[:3, :3] @ intrinsics.deproject(u_px, v_px, 1.0)
    return np.asarray((origin_m + direction * (height_m - origin_m[2]) / direction[2])[:2])

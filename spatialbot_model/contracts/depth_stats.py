"""Depth of an object in four numbers, as SpatialQA states it (paper III-D)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.depth_tool import check_depth_image, point_to_pixel
from spatialbot_model.contracts.errors import DepthQueryError

LOW_PERCENTILE = 5.0
HIGH_PERCENTILE = 95.0


@dataclass(frozen=True, slots=True)
class ObjectDepth:
    """Depth of one object [mm].

    Attributes:
        center_mm: at the centre pixel; None when that has no return.
        min_mm, max_mm: 5th and 95th percentile over the valid pixels, so that single wild
            pixels at an edge do not count.
        mean_mm: over the valid pixels.
    """

    center_mm: int | None
    min_mm: int
    max_mm: int
    mean_mm: float


def describe_depth(
    depth_mm: NDArray[np.unsignedinteger],
    mask: NDArray[np.bool_] | None = None,
    center: tuple[int, int] | None = None,
) -> ObjectDepth | None:
    """Depth of a mask, or of one pixel when there is no mask.

    Args:
        depth_mm: (H, W) unsigned millimetres, 0 = no return.
        mask: (H, W) bool, the object's pixels.
        center: (u, v) pixel column and row of the object's centre; default: the mask pixel
            next to the mask's centroid, without a mask the image centre.

    Returns:
        The four numbers, percentiles rounded to whole millimetres; without a mask all four
        are the centre pixel's. None when no pixel has a return.

    Raises:
        DepthQueryError: no depth image, a mask of another shape or type or without a pixel,
            a centre outside the image.
    """
    check_depth_image(depth_mm)
    height_px, width_px = depth_mm.shape
    if mask is not None and (mask.shape != depth_mm.shape or mask.dtype != np.bool_):
        raise DepthQueryError(
            f"the mask is {mask.dtype} {mask.shape}, expected bool {depth_mm.shape}"
        )
    if center is None:
        center = (width_px // 2, height_px // 2) if mask is None else _mask_center(mask)
    u_px, v_px = center
    if not (0 <= u_px < width_px and 0 <= v_px < height_px):
        raise DepthQueryError(
            f"the centre pixel ({u_px}, {v_px}) lies outside the {width_px}x{height_px} image"
        )
    center_mm = int(depth_mm[v_px, u_px]) or None
    if mask is None:
        if center_mm is None:
            return None
        return ObjectDepth(center_mm, center_mm, center_mm, float(center_mm))
    values = depth_mm[mask]
    valid = values[values > 0]
    if valid.size == 0:
        return None
    low, high = np.percentile(valid, [LOW_PERCENTILE, HIGH_PERCENTILE])
    return ObjectDepth(center_mm, round(low), round(high), float(valid.mean(dtype=np.float64)))


def describe_region(
    depth_mm: NDArray[np.unsignedinteger], x_min: float, y_min: float, x_max: float, y_max: float
) -> ObjectDepth | None:
    """Depth of a box given in fractions of the image, both border pixels included.

    Returns:
        The four numbers, the centre being the pixel at the middle of the box; None when no
        pixel in it has a return.

    Raises:
        DepthQueryError: no depth image, a corner outside the image, or a minimum above its
            maximum.
    """
    check_depth_image(depth_mm)
    height_px, width_px = depth_mm.shape
    u_min, v_min = point_to_pixel(x_min, y_min, width_px, height_px)
    u_max, v_max = point_to_pixel(x_max, y_max, width_px, height_px)
    if x_min > x_max or y_min > y_max:
        raise DepthQueryError(
            f"the region is empty: x {x_min:g}..{x_max:g}, y {y_min:g}..{y_max:g}; expected each"
            " minimum at or below its maximum"
        )
    u_px, v_px = point_to_pixel((x_min + x_max) / 2, (y_min + y_max) / 2, width_px, height_px)
    box = depth_mm[v_min : v_max + 1, u_min : u_max + 1]
    return describe_depth(box, np.ones(box.shape, np.bool_), (u_px - u_min, v_px - v_min))


def _mask_center(mask: NDArray[np.bool_]) -> tuple[int, int]:
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        raise DepthQueryError("the mask has no pixel; nothing to describe")
    # the centroid of a ring or an L lies outside of it
    distance2 = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    nearest = int(np.argmin(distance2))
    return int(columns[nearest]), int(rows[nearest])

"""Depth seen from the depth sensor -> depth as the colour camera would see it.

The rule is that of librealsense's align: the rectangle that a depth pixel covers in the colour
image is filled with its depth, and where rectangles overlap the nearest depth wins. Like
librealsense, the value itself is kept: it is the z-depth of the depth sensor (the two optical axes
of the mount are parallel, so it is the colour camera's z-depth up to their offset in z).
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import CameraMount
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import invert
from spatialbot_model.contracts.types import CameraIntrinsics

_NOTHING = np.uint16(0xFFFF)
_MM_TO_M = np.float32(0.001)
_NEAREST_M = np.float32(0.001)


class DepthAlignment:
    """Aligns frames of one mount; neither stream is distorted.

    Args:
        mount: intrinsics and poses of both sensors.

    Raises:
        ConfigurationError: a stream with distortion.
    """

    def __init__(self, mount: CameraMount) -> None:
        for name, intrinsics in (("color", mount.color), ("depth", mount.depth)):
            if any(intrinsics.distortion):
                raise ConfigurationError(
                    f"the {name} stream has distortion {intrinsics.distortion}; only rectified"
                    " streams can be aligned"
                )
        self._size = (mount.color.width, mount.color.height)
        self._shape = (mount.depth.height, mount.depth.width)
        T = invert(mount.T_base_color) @ mount.T_base_depth
        # corner (v, u) of the grid is half a pixel up and left of the centre of pixel (v, u)
        rays = _corner_rays(mount.depth) @ T[:3, :3].T.astype(np.float32)
        rows, columns = self._window = _window(rays, T[:3, 3], mount)
        rays = rays[rows.start : rows.stop + 1, columns.start : columns.stop + 1]
        focal_px = np.array([mount.color.fx_px, mount.color.fy_px], np.float32)
        self._ray_px = np.ascontiguousarray((rays[..., :2] * focal_px).transpose(2, 0, 1))
        self._ray_z = np.ascontiguousarray(rays[..., 2])
        self._offset_px = T[:2, 3].astype(np.float32) * focal_px
        self._offset_z_m = np.float32(T[2, 3])
        # half is added before cutting off, which rounds
        self._center_px = np.float32([mount.color.cx_px + 0.5, mount.color.cy_px + 0.5])

    def align(self, depth_mm: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """One frame.

        Args:
            depth_mm: (H, W) z-depth from the depth viewpoint, 0 = no return.

        Returns:
            (H, W) of the colour image, 0 where no depth falls.

        Raises:
            ConfigurationError: not an image of the mount's depth sensor.
        """
        if depth_mm.shape != self._shape or depth_mm.dtype != np.uint16:
            raise ConfigurationError(
                f"depth is {depth_mm.dtype} {depth_mm.shape}, expected uint16 {self._shape}"
            )
        width, height = self._size
        z_mm = depth_mm[self._window]
        z_m = z_mm * _MM_TO_M
        x0, y0 = self._project(z_m, slice(0, -1))
        x1, y1 = self._project(z_m, slice(1, None))
        seen = (z_mm > 0) & (x1 >= 0) & (y1 >= 0) & (x0 < width) & (y0 < height)
        seen = np.flatnonzero(seen)
        # written last is nearest
        seen = seen[np.argsort(z_mm.ravel()[seen], kind="stable")[::-1]]
        z_mm = z_mm.ravel()[seen]
        x0, y0 = (np.maximum(low.ravel()[seen], 0) for low in (x0, y0))
        spans_x = np.minimum(x1.ravel()[seen], width - 1) - x0
        spans_y = np.minimum(y1.ravel()[seen], height - 1) - y0
        # of the type that numpy indexes with: anything else is converted at each use
        first = (y0 * width + x0).astype(np.intp)
        aligned = np.full(height * width, _NOTHING)
        layer = np.empty_like(aligned)
        for row in range(spans_y.max(initial=0) + 1):
            tall = _at_least(spans_y, row)
            first_row, z_row, spans_row = first[tall], z_mm[tall], spans_x[tall]
            for column in range(spans_row.max(initial=0) + 1):
                wide = _at_least(spans_row, column)
                layer.fill(_NOTHING)
                # a view that begins later, instead of an offset to every index
                layer[row * width + column :][first_row[wide]] = z_row[wide]
                np.minimum(aligned, layer, out=aligned)
        aligned[aligned == _NOTHING] = 0
        return aligned.reshape(height, width)

    def _project(
        self, z_m: NDArray[np.float32], corner: slice
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Colour pixels of the upper left or lower right corners of all pixels of the window."""
        # no return and what lies behind the camera are nowhere
        scale = np.maximum(z_m * self._ray_z[corner, corner] + self._offset_z_m, _NEAREST_M)
        x, y = (
            (z_m * self._ray_px[axis, corner, corner] + self._offset_px[axis]) / scale
            + self._center_px[axis]
            for axis in (0, 1)
        )
        # towards zero, as a cast in C
        return x.astype(np.int32), y.astype(np.int32)


def _corner_rays(intrinsics: CameraIntrinsics) -> NDArray[np.float32]:
    """(H + 1, W + 1, 3) directions with z = 1 through the corners of all pixels."""
    u = (np.arange(intrinsics.width + 1) - 0.5 - intrinsics.cx_px) / intrinsics.fx_px
    v = (np.arange(intrinsics.height + 1) - 0.5 - intrinsics.cy_px) / intrinsics.fy_px
    rays = np.ones((intrinsics.height + 1, intrinsics.width + 1, 3), np.float32)
    rays[..., 0] = u
    rays[..., 1] = v[:, None]
    return rays


def _window(
    rays: NDArray[np.float32], offset_m: NDArray[np.float64], mount: CameraMount
) -> tuple[slice, slice]:
    """Rows and columns of depth pixels that can fall into the colour image at all.

    The colour pixel of a corner moves monotonously along its epipolar line, so that its places at
    the nearest and farthest depth of the sensor tell.
    """
    color = mount.color
    inside = np.zeros(rays.shape[:2], np.bool_)
    for z_m in mount.depth_range_m:
        points_m = rays.astype(np.float64) * z_m + offset_m
        ahead = points_m[..., 2] > 0.0
        points_m[~ahead] = (0.0, 0.0, 1.0)
        u, v = np.moveaxis(color.project(points_m), -1, 0)
        inside |= ahead & (u > -2) & (v > -2) & (u < color.width + 1) & (v < color.height + 1)
    height, width = (size - 1 for size in inside.shape)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return (
        slice(max(rows[0] - 2, 0), min(rows[-1] + 2, height)),
        slice(max(columns[0] - 2, 0), min(columns[-1] + 2, width)),
    )


def _at_least(spans: NDArray[np.int32], number: int) -> slice | NDArray[np.intp]:
    """Index of the elements that are as large as `number`; a slice when all are."""
    if spans.min(initial=number) >= number:
        return slice(None)
    return np.flatnonzero(spans >= number)

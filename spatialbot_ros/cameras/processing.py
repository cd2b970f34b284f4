"""Everything that happens after the sensors, with librealsense, for hardware and simulation.

Synchronising, filtering and aligning are librealsense's own; this file sets them up and
turns a frameset into arrays.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import CameraError
from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_ros.cameras.settings import DepthFilters

_SYNCER_QUEUE = 4
_NUM_BUFFERS = 16
_MM_PER_M = 1000.0
_DECIMATION = 2
_MAX_DEPTH_MM = np.iinfo(np.uint16).max


@dataclass(frozen=True, slots=True)
class ProcessedFrames:
    """Arrays of one frameset; views of librealsense's buffers, of which there are few."""

    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    aligned_depth_mm: NDArray[np.uint16] | None
    device_frame_number: int
    timestamp_ms: float


class FrameProcessing:
    """Syncer, depth filters and alignment of one streaming session.

    Attributes:
        paired: a complete pair has come.
        num_half: single images that came since the last pair.
    """

    def __init__(self, filters: DepthFilters) -> None:
        self.syncer = rs.syncer(_SYNCER_QUEUE)
        self.paired = False
        self.num_half = 0
        self._align = rs.align(rs.stream.color)
        self._filters = _depth_filters(filters)

    def poll(self) -> rs.composite_frame | None:
        """The next complete pair that the syncer already has, or None."""
        while True:
            frames = self.syncer.poll_for_frames()
            if not frames or frames.size() == 0:
                return None
            if self._take(frames):
                return frames

    def wait(self, timeout_ms: int) -> rs.composite_frame | None:
        """The next complete pair, or None when nothing came within `timeout_ms`.

        librealsense hands out single images until it has seen both streams; those are
        passed over.
        """
        arrived, frames = self.syncer.try_wait_for_frames(timeout_ms)
        return frames if arrived and self._take(frames) else None

    def _take(self, frames: rs.composite_frame) -> bool:
        if not _is_pair(frames):
            self.num_half += 1
            return False
        self.paired, self.num_half = True, 0
        return True

    def process(self, frames: rs.composite_frame, *, align: bool) -> ProcessedFrames:
        """Filter, align when asked to, and convert to millimetres.

        Raises:
            CameraError: librealsense failed, or all its buffers are being kept.
        """
        try:
            return self._process(frames, align=align)
        except RuntimeError as error:
            raise CameraError(
                f"librealsense could not process a frameset: {error}. It has"
                f" {_NUM_BUFFERS} buffers; copy arrays that are kept for long."
            ) from error

    def _process(self, frames: rs.composite_frame, *, align: bool) -> ProcessedFrames:
        for depth_filter in self._filters:
            frames = depth_filter.process(frames).as_frameset()
        color = frames.get_color_frame()
        depth = frames.get_depth_frame()
        units_m = depth.get_units()
        aligned_mm = None
        if align:
            aligned = self._align.process(frames).get_depth_frame()
            aligned_mm = to_millimetres(np.asanyarray(aligned.get_data()), units_m)
        return ProcessedFrames(
            color=np.asanyarray(color.get_data()),
            depth_mm=to_millimetres(np.asanyarray(depth.get_data()), units_m),
            aligned_depth_mm=aligned_mm,
            device_frame_number=color.get_frame_number(),
            timestamp_ms=color.get_timestamp(),
        )


def to_millimetres(raw: NDArray[np.uint16], units_m: float) -> NDArray[np.uint16]:
    """Depth in units of `units_m` metres to uint16 millimetres; 0 stays 0 (invalid).

    Without a copy when the units are millimetres. Depth beyond 65.535 m becomes invalid.
    """
    scale = units_m * _MM_PER_M
    if abs(scale - 1.0) < 1e-6:
        return raw
    depth_mm: NDArray[np.float32] = np.rint(raw * np.float32(scale))
    depth_mm[depth_mm > _MAX_DEPTH_MM] = 0
    return depth_mm.astype(np.uint16)


def to_intrinsics(intrinsics: rs.intrinsics) -> CameraIntrinsics:
    """librealsense's intrinsics as ours; the coefficients of all its models are kept."""
    k1, k2, p1, p2, k3 = (float(value) for value in intrinsics.coeffs)
    return CameraIntrinsics(
        width=intrinsics.width,
        height=intrinsics.height,
        fx_px=intrinsics.fx,
        fy_px=intrinsics.fy,
        cx_px=intrinsics.ppx,
        cy_px=intrinsics.ppy,
        distortion=(k1, k2, p1, p2, k3),
    )


def filtered_intrinsics(depth: CameraIntrinsics, filters: DepthFilters) -> CameraIntrinsics:
    """Intrinsics of the depth image after the filters: decimation makes it smaller."""
    if not filters.decimation:
        return depth
    return replace(
        depth,
        # librealsense pads both sides to a multiple of four pixels
        width=_padded(depth.width // _DECIMATION),
        height=_padded(depth.height // _DECIMATION),
        fx_px=depth.fx_px / _DECIMATION,
        fy_px=depth.fy_px / _DECIMATION,
        cx_px=depth.cx_px / _DECIMATION,
        cy_px=depth.cy_px / _DECIMATION,
    )


def to_transform(extrinsics: rs.extrinsics) -> NDArray[np.float64]:
    """librealsense's extrinsics (column-major rotation) as a (4, 4) pose [m]."""
    T = np.eye(4)
    T[:3, :3] = np.asarray(extrinsics.rotation, dtype=np.float64).reshape(3, 3, order="F")
    T[:3, 3] = extrinsics.translation
    return T


def _depth_filters(filters: DepthFilters) -> list[rs.filter]:
    """librealsense's recommended order: decimate, clip, (to disparity, smooth, back), fill."""
    chain: list[rs.filter] = []
    if filters.decimation:
        chain.append(rs.decimation_filter(_DECIMATION))
    if filters.clip_distance_m > 0.0:
        clip = rs.threshold_filter()
        clip.set_option(rs.option.min_distance, 0.0)
        clip.set_option(rs.option.max_distance, filters.clip_distance_m)
        chain.append(clip)
    smoothing: list[rs.filter] = []
    if filters.spatial:
        spatial = rs.spatial_filter()
        spatial.set_option(rs.option.holes_fill, 0.0)
        smoothing.append(spatial)
    if filters.temporal:
        temporal = rs.temporal_filter()
        # librealsense's default shows the last depth where there is none now
        temporal.set_option(rs.option.holes_fill, 0.0)
        smoothing.append(temporal)
    if filters.disparity and smoothing:
        smoothing = [rs.disparity_transform(True), *smoothing, rs.disparity_transform(False)]
    chain += smoothing
    if filters.hole_filling:
        chain.append(rs.hole_filling_filter())
    return chain


def _is_pair(frames: rs.composite_frame) -> bool:
    return bool(frames.size() == 2 and frames.get_depth_frame() and frames.get_color_frame())


def _padded(size: int) -> int:
    return (size + 3) // 4 * 4

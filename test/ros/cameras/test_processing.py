"""librealsense's filters and alignment, as they are set up here, on synthetic depth."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from frame_server_double import COLOR, DEPTH, DESCRIPTION
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spatialbot_ros.cameras.processing import (
    FrameProcessing,
    ProcessedFrames,
    filtered_intrinsics,
    to_intrinsics,
    to_millimetres,
)
from spatialbot_ros.cameras.settings import DepthFilters
from spatialbot_ros.cameras.software_device import SoftwareDevice

BLACK = np.zeros((COLOR.height, COLOR.width, 3), np.uint8)


def process(filters: DepthFilters, images: Iterable[NDArray[np.uint16]]) -> ProcessedFrames:
    """Send depth images through; returns what comes of the last one."""
    device = SoftwareDevice(DESCRIPTION)
    processing = FrameProcessing(filters)
    device.start(processing.syncer)
    processed = None
    try:
        device.push(BLACK, np.zeros((DEPTH.height, DEPTH.width), np.uint16))
        while processing.poll() is not None:
            pass
        for image in images:
            device.push(BLACK, image)
            processed = processing.process(processing.poll(), align=True)
    finally:
        device.stop()
    return processed


def depth_with_holes() -> NDArray[np.uint16]:
    """Two flat levels with 5 % scattered and one large hole."""
    depth_mm = np.full((DEPTH.height, DEPTH.width), 1000, np.uint16)
    depth_mm[300:, 400:] = 1500
    depth_mm[100:200, 100:150] = 0
    depth_mm[np.random.default_rng(0).random(depth_mm.shape) < 0.05] = 0
    return depth_mm


@pytest.mark.parametrize(
    "filters",
    [
        DepthFilters(spatial=True),
        DepthFilters(temporal=True),
        DepthFilters(spatial=True, temporal=True, disparity=True),
        DepthFilters(clip_distance_m=4.0),
    ],
)
def test_smoothing_never_fills_nor_blends_invalid_pixels(filters: DepthFilters) -> None:
    depth_mm = depth_with_holes()
    newest_mm = depth_mm.copy()
    newest_mm[:50, :50] = 0  # was valid in the frames before
    processed = process(filters, [depth_mm] * 4 + [newest_mm])
    np.testing.assert_array_equal(processed.depth_mm, newest_mm)


def test_without_filters_depth_is_exact() -> None:
    rng = np.random.default_rng(1)
    depth_mm = rng.integers(0, 65536, (DEPTH.height, DEPTH.width), dtype=np.uint16)
    np.testing.assert_array_equal(process(DepthFilters(), [depth_mm]).depth_mm, depth_mm)


def test_smoothing_smooths() -> None:
    rng = np.random.default_rng(2)
    noisy_mm = np.rint(rng.normal(1000, 4, (12, DEPTH.height, DEPTH.width))).astype(np.uint16)
    processed = process(DepthFilters(spatial=True, temporal=True), noisy_mm)
    assert processed.depth_mm.std() < 0.5 * noisy_mm[-1].std()


def test_clipping_removes_what_is_far() -> None:
    processed = process(DepthFilters(clip_distance_m=1.2), [depth_with_holes()])
    assert set(np.unique(processed.depth_mm)) == {0, 1000}
    assert processed.aligned_depth_mm.max() == 1000


def test_hole_filling_fills_because_it_was_asked_to() -> None:
    processed = process(DepthFilters(hole_filling=True), [depth_with_holes()])
    assert np.mean(processed.depth_mm == 0) < 0.01


def test_decimation_halves_the_image_and_its_intrinsics_follow() -> None:
    filters = DepthFilters(decimation=True)
    processed = process(filters, [depth_with_holes()])
    expected = filtered_intrinsics(DEPTH, filters)
    assert processed.depth_mm.shape == (expected.height, expected.width) == (240, 320)
    assert processed.aligned_depth_mm.shape == (COLOR.height, COLOR.width)


def test_decimated_intrinsics_are_librealsenses_own() -> None:
    rs = pytest.importorskip("pyrealsense2", reason="librealsense needs libusb-1.0")
    device = SoftwareDevice(DESCRIPTION)
    processing = FrameProcessing(DepthFilters())
    device.start(processing.syncer)
    for _ in range(2):
        device.push(BLACK, depth_with_holes())
    depth = rs.decimation_filter(2).process(processing.poll().get_depth_frame())
    device.stop()
    profile = depth.profile.as_video_stream_profile()
    assert to_intrinsics(profile.get_intrinsics()) == filtered_intrinsics(
        DEPTH, DepthFilters(decimation=True)
    )


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.25, 0.0, 1.0), (0.1, -0.3, 1.0)])
def test_aligned_depth_is_the_geometry_seen_from_the_colour_camera(normal) -> None:
    n = np.asarray(normal) / np.linalg.norm(normal)
    distance_m = 0.8 * n[2]
    t_color_depth = np.asarray(DESCRIPTION.depth_to_color_translation_m)

    def plane_depth_mm(intrinsics, plane_distance_m: float) -> NDArray[np.float64]:
        v_px, u_px = np.mgrid[0 : intrinsics.height, 0 : intrinsics.width]
        rays = intrinsics.deproject(u_px, v_px, np.ones(u_px.shape))
        return 1000.0 * plane_distance_m / (rays @ n)

    depth_mm = np.rint(plane_depth_mm(DEPTH, distance_m)).astype(np.uint16)
    # n . (X_color - t) = d
    expected_mm = plane_depth_mm(COLOR, distance_m + n @ t_color_depth)
    aligned_mm = process(DepthFilters(), [depth_mm]).aligned_depth_mm
    inner = (slice(20, -20), slice(20, -20))
    assert np.mean(aligned_mm[inner] > 0) > 0.999
    errors_mm = np.abs(aligned_mm[inner].astype(float) - expected_mm[inner])
    assert errors_mm[aligned_mm[inner] > 0].max() < 2.0


def test_a_step_appears_where_the_colour_camera_sees_it() -> None:
    depth_mm = np.full((DEPTH.height, DEPTH.width), 1200, np.uint16)
    depth_mm[:, 320:] = 600  # a near wall that starts at x = 0 of the depth camera
    aligned_mm = process(DepthFilters(), [depth_mm]).aligned_depth_mm
    x_m = DESCRIPTION.depth_to_color_translation_m[0]
    edge_px = round(COLOR.cx_px + COLOR.fx_px * x_m / 0.6)
    assert aligned_mm[240, edge_px + 3] == 600
    assert aligned_mm[240, edge_px - 3] in (0, 1200)
    assert aligned_mm[240, 200] == 1200


@given(st.sampled_from([0.0001, 0.00025, 0.001, 0.01]), st.integers(0, 2**16 - 1))
def test_other_depth_units_become_millimetres(units_m: float, raw: int) -> None:
    (mm,) = to_millimetres(np.array([raw], np.uint16), units_m)
    expected = raw * units_m * 1000.0
    if expected > 65535.5:
        assert mm == 0
    else:
        assert abs(int(mm) - expected) <= 0.51
    assert mm.dtype == np.uint16
    assert (mm == 0) or raw > 0


def test_millimetres_are_not_copied() -> None:
    raw = np.arange(10, dtype=np.uint16)
    assert to_millimetres(raw, 0.0010000000474974513) is raw


def test_intrinsics_survive_librealsense() -> None:
    color = replace(COLOR, distortion=(0.1, -0.2, 0.001, 0.002, 0.05))
    device = SoftwareDevice(replace(DESCRIPTION, color=color))
    sensor = device.device.query_sensors()[1]
    profile = sensor.get_stream_profiles()[0].as_video_stream_profile()
    converted = to_intrinsics(profile.get_intrinsics())
    assert (converted.fx_px, converted.cx_px) == (COLOR.fx_px, COLOR.cx_px)
    assert converted.distortion == pytest.approx(color.distortion, rel=1e-6)

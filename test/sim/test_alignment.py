"""Alignment of depth to colour against librealsense's own, on the same raw frames."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.cameras.processing import FrameProcessing
from spatialbot_ros.cameras.settings import DepthFilters
from spatialbot_ros.cameras.software_device import SoftwareDevice
from spatialbot_sim.alignment import DepthAlignment
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.lab import describe_sensors
from spatialbot_sim.stereo_noise import StereoNoise
from spatialbot_sim.tasks import sample_scene
from spatialbot_sim.world import build_world

SAME_PIXELS = 0.9995
"""Share of pixels that are equal; the rest are roundings of corners that fall on a pixel's edge."""


def librealsense_aligned(cell, depth_mm: NDArray[np.uint16]) -> NDArray[np.uint16]:
    color = np.zeros((cell.camera.color.height, cell.camera.color.width, 3), np.uint8)
    processing = FrameProcessing(DepthFilters())
    device = SoftwareDevice(describe_sensors(cell, 15.0))
    device.start(processing.syncer)
    try:
        for _ in range(8):
            device.push(color, np.ascontiguousarray(depth_mm))
            frames = processing.wait(1000)
            if frames is not None:
                aligned = processing.process(frames, align=True).aligned_depth_mm
                assert aligned is not None
                return aligned.copy()
    finally:
        device.stop()
    raise AssertionError("librealsense gave no pair")


@pytest.fixture(scope="module")
def raw_frames(cell) -> list[NDArray[np.uint16]]:
    world = build_world(sample_scene("pick_place", 3), cell)
    renderer = SensorRenderer(cell.camera)
    renderer.open(world)
    depth_m = renderer.render_depth_m()
    renderer.close()
    noise = StereoNoise(cell.camera, 3)
    rng = np.random.default_rng(0)
    # every pixel on its own: neighbours that overlap and holes everywhere
    wild = rng.integers(400, 3000, depth_m.shape) * (rng.random(depth_m.shape) < 0.7)
    return [noise.apply(depth_m, 1), noise.apply(depth_m, 2), wild.astype(np.uint16)]


def test_it_is_librealsenses(cell, raw_frames) -> None:
    alignment = DepthAlignment(cell.camera)
    for raw_mm in raw_frames:
        ours, theirs = alignment.align(raw_mm), librealsense_aligned(cell, raw_mm)
        assert ours.dtype == np.uint16 and ours.shape == theirs.shape
        assert (theirs > 0).mean() > 0.5
        assert (ours == theirs).mean() > SAME_PIXELS
        assert ((ours > 0) == (theirs > 0)).mean() > SAME_PIXELS


def test_nothing_stays_nothing(cell) -> None:
    alignment = DepthAlignment(cell.camera)
    shape = (cell.camera.depth.height, cell.camera.depth.width)
    assert not alignment.align(np.zeros(shape, np.uint16)).any()


@settings(max_examples=15, deadline=None)
@given(st.integers(300, 2900), st.integers(0, 2**32 - 1))
def test_every_depth_is_one_that_was_measured(cell, base_mm: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (cell.camera.depth.height, cell.camera.depth.width)
    raw_mm = (base_mm + rng.integers(0, 50, shape)).astype(np.uint16)
    aligned = DepthAlignment(cell.camera).align(raw_mm)
    assert set(np.unique(aligned)) <= {0, *np.unique(raw_mm)}


def test_the_nearest_of_several_wins(cell) -> None:
    shape = (cell.camera.depth.height, cell.camera.depth.width)
    far = np.full(shape, 1500, np.uint16)
    both = far.copy()
    both[200:280, 280:360] = 700
    alignment = DepthAlignment(cell.camera)
    alone = np.where(both == 700, both, 0).astype(np.uint16)
    seen = alignment.align(alone) == 700
    assert seen.any()
    assert np.array_equal(alignment.align(both)[seen], np.full(seen.sum(), 700))


@pytest.mark.parametrize(
    "depth_mm", [np.zeros((480, 640), np.uint8), np.zeros((10, 10), np.uint16)]
)
def test_other_images_are_refused(cell, depth_mm) -> None:
    with pytest.raises(ConfigurationError, match="expected uint16"):
        DepthAlignment(cell.camera).align(depth_mm)

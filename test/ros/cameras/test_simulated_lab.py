"""The simulated camera on the simulated lab itself, in a process of its own, without noise."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from own_address import own_address

from spatialbot_model.contracts.errors import CameraError, CameraTimeoutError
from spatialbot_model.contracts.transforms import transform_points
from spatialbot_ros.cameras.settings import CameraSettings
from spatialbot_ros.cameras.simulated import SimulatedCamera
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.ports import CameraFrameset, CameraInfo

ADDRESS = own_address()
NUM_FRAMES = 30
RATE_HZ = 15
NS_PER_MS = 1_000_000
NO_RAW = {"color": np.zeros((1, 1, 3), np.uint8), "depth_mm": np.zeros((1, 1), np.uint16)}


@pytest.fixture(scope="module")
def session() -> Iterator[tuple[CameraInfo, list[CameraFrameset]]]:
    """Calibration and the first frames of a lab."""
    pytest.importorskip("mujoco", reason="the simulated lab needs the `sim` extra")
    lab = subprocess.Popen(
        [sys.executable, "-m", "spatialbot_sim.serve", "--address", ADDRESS, "--exact-depth"],
        stderr=subprocess.PIPE,
        text=True,
    )
    camera = SimulatedCamera(CameraSettings(address=ADDRESS))
    try:
        line = lab.stderr.readline()
        assert "serving" in line, line + lab.stderr.read()
        info = camera.connect()
        yield info, [_next(camera) for _ in range(NUM_FRAMES)]
    finally:
        camera.close()
        lab.terminate()
        try:
            lab.communicate(timeout=20.0)
        finally:
            lab.kill()


def _next(camera: SimulatedCamera) -> CameraFrameset:
    for _ in range(20):
        try:
            frameset = camera.read(1.0)
            # all are kept, more than the device has buffers
            return replace(frameset, aligned_depth_mm=frameset.aligned_depth_mm.copy(), **NO_RAW)
        except CameraTimeoutError:
            continue
    raise CameraError("the lab sent no frame within 20 s")


def test_calibration_is_the_cells(session) -> None:
    info, _ = session
    camera = load_cell().camera
    assert (info.color, info.depth) == (camera.color, camera.depth)
    assert info.rate_hz == RATE_HZ
    np.testing.assert_allclose(
        camera.T_base_color @ info.T_color_depth, camera.T_base_depth, atol=1e-9
    )


def test_no_frame_is_lost_and_stamps_are_the_simulations_milliseconds(session) -> None:
    _, framesets = session
    numbers = [frameset.frame_number for frameset in framesets]
    assert numbers == list(range(numbers[0], numbers[0] + NUM_FRAMES))
    ticks = []
    for frameset in framesets:
        tick, rest_ns = divmod(frameset.stamp_ns, NS_PER_MS)
        assert rest_ns == 0
        ticks.append(tick)
    intervals = np.diff(ticks)
    # a client that reads slowly makes the lab leave exposures out, never shift them
    periods = np.rint(intervals * RATE_HZ / 1000.0)
    assert np.all(periods >= 1)
    assert np.all(np.abs(intervals - periods * 1000.0 / RATE_HZ) <= 1.0)


def test_aligned_depth_of_the_table_is_its_plane_seen_from_the_colour_camera(session) -> None:
    info, framesets = session
    cell = load_cell()
    T_base_color = cell.camera.T_base_color
    v_px, u_px = np.mgrid[0 : info.color.height, 0 : info.color.width]
    rays = transform_points(T_base_color, info.color.deproject(u_px, v_px, np.ones(u_px.shape)))
    rays -= T_base_color[:3, 3]
    depth_m = (cell.table_top_z_m - T_base_color[2, 3]) / rays[..., 2]
    hits_m = T_base_color[:3, 3] + rays * depth_m[..., np.newaxis]
    # between the workspace, where robot and objects are, and the edge towards the camera
    far_edge_m = cell.table_center_xy_m[0] + 0.5 * cell.table_size_xy_m[0] - 0.02
    bare = (
        (hits_m[..., 0] > cell.workspace_max_m[0] + 0.05)
        & (hits_m[..., 0] < far_edge_m)
        & (np.abs(hits_m[..., 1]) < 0.5 * cell.table_size_xy_m[1] - 0.02)
    )
    aligned_mm = framesets[-1].aligned_depth_mm
    bare &= aligned_mm > 0
    assert np.count_nonzero(bare) > 5000
    errors_mm = np.abs(aligned_mm[bare] - 1000.0 * depth_m[bare])
    assert np.percentile(errors_mm, 99) < 2.0
    assert np.median(errors_mm) < 1.0

"""The stereo noise model: every effect where it belongs, and the same every time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim.stereo_noise import DISPARITY_SIGMA_PX, StereoNoise, to_millimetres


@pytest.fixture(scope="module")
def noise(cell: Cell) -> StereoNoise:
    return StereoNoise(cell.camera, 7)


def wall(distance_m: float) -> NDArray[np.float32]:
    return np.full((480, 640), distance_m, np.float32)


def box_before_wall() -> NDArray[np.float32]:
    """A box at 0.7 m, columns 300 to 399 and rows 200 to 299, before a wall at 1.4 m."""
    depth_m = wall(1.4)
    depth_m[200:300, 300:400] = 0.7
    return depth_m


def test_equal_seed_and_frame_give_equal_pixels(cell: Cell) -> None:
    depth_m = box_before_wall()
    first, second = StereoNoise(cell.camera, 3), StereoNoise(cell.camera, 3)
    second.apply(depth_m, 11)  # what came before must not matter
    assert np.array_equal(first.apply(depth_m, 5), second.apply(depth_m, 5))


def test_frames_and_seeds_differ(cell: Cell) -> None:
    depth_m = wall(1.0)
    frames = [
        StereoNoise(cell.camera, seed).apply(depth_m, frame)
        for seed, frame in ((1, 0), (1, 1), (2, 0))
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.mean(frames[one] != frames[other]) > 0.5


@pytest.mark.parametrize("distance_m", [0.7, 1.0, 1.5, 2.5])
def test_error_grows_with_the_square_of_distance(
    cell: Cell, noise: StereoNoise, distance_m: float
) -> None:
    depth_mm = noise.apply(wall(distance_m), 0)[:, 100:].astype(float)
    assert np.all(depth_mm > 0) or distance_m > 2.0
    seen_mm = depth_mm[depth_mm > 0]
    mount = cell.camera
    expected_mm = (
        1000.0 * distance_m**2 * DISPARITY_SIGMA_PX / (mount.depth.fx_px * mount.stereo_baseline_m)
    )
    assert np.std(seen_mm) == pytest.approx(expected_mm, rel=0.15)
    assert np.median(seen_mm) == pytest.approx(1000.0 * distance_m, abs=0.5 * expected_mm)


def test_disparity_is_quantised(cell: Cell, noise: StereoNoise) -> None:
    """At 2 m, one step of 1/32 px is 6.5 mm, so only few values occur."""
    depth_mm = noise.apply(wall(2.0), 0)[:, 100:]
    disparity_px = cell.camera.depth.fx_px * cell.camera.stereo_baseline_m * 1000.0 / depth_mm
    assert len(np.unique(depth_mm)) < 35
    assert np.abs(disparity_px * 32 - np.rint(disparity_px * 32)).max() < 0.09


def test_noise_is_correlated_over_a_matching_window(noise: StereoNoise) -> None:
    error = noise.apply(wall(1.0), 0)[:, 100:].astype(float) - 1000.0
    near = np.corrcoef(error[:, :-1].ravel(), error[:, 1:].ravel())[0, 1]
    far = np.corrcoef(error[:, :-20].ravel(), error[:, 20:].ravel())[0, 1]
    assert near > 0.3
    assert abs(far) < 0.05


def test_shadow_lies_to_the_left_of_what_stands_before(noise: StereoNoise) -> None:
    """19.25 / 0.7 - 19.25 / 1.4 = 13.75 px of the wall are hidden from the right imager."""
    depth_mm = noise.apply(box_before_wall(), 0)
    rows = slice(210, 290)
    assert np.all(depth_mm[rows, 290:298] == 0)
    assert np.all(depth_mm[rows, 270:283] > 0)
    assert np.all(depth_mm[rows, 403:420] > 0)


def test_right_imager_does_not_see_the_left_band(noise: StereoNoise) -> None:
    depth_mm = noise.apply(wall(0.7), 0)
    assert np.all(depth_mm[:, :27] == 0)
    assert np.all(depth_mm[:, 29:] > 0)


def test_some_pixels_of_an_edge_drop_out(noise: StereoNoise) -> None:
    right_edge = noise.apply(box_before_wall(), 0)[205:295, 399:401]
    assert 0.3 < np.mean(right_edge == 0) < 0.7


def test_a_slanted_table_has_no_holes(noise: StereoNoise) -> None:
    depth_m = np.linspace(1.6, 0.6, 480, dtype=np.float32)[:, None].repeat(640, axis=1)
    depth_m += np.linspace(0.0, 0.2, 640, dtype=np.float32)[None]
    assert np.mean(noise.apply(depth_m, 0)[:, 60:] == 0) == 0.0


@pytest.mark.parametrize("distance_m", [0.0, 0.2, 3.2, 20.0, np.inf])
def test_out_of_range_has_no_return(noise: StereoNoise, distance_m: float) -> None:
    assert not noise.apply(wall(distance_m), 0).any()


def test_result_can_be_sent_as_it_is(noise: StereoNoise) -> None:
    depth_mm = noise.apply(wall(1.0), 0)
    assert depth_mm.dtype == np.uint16 and depth_mm.shape == (480, 640)
    assert depth_mm.flags.c_contiguous


def test_wrong_image_size(noise: StereoNoise) -> None:
    with pytest.raises(ConfigurationError, match="640"):
        noise.apply(np.ones((240, 320), np.float32), 0)


def test_exact_millimetres() -> None:
    depth_m = np.array([[0.279, 0.28, 1.0004, 1.0006, 3.0, 3.001, np.inf, np.nan]], np.float32)
    assert to_millimetres(depth_m, (0.28, 3.0)).tolist() == [[0, 280, 1000, 1001, 3000, 0, 0, 0]]


@pytest.mark.parametrize("depth_range_m", [(1.0, 0.5), (-0.1, 1.0), (0.1, 70.0), (0.1, np.nan)])
def test_range_must_fit_millimetres(depth_range_m: tuple[float, float]) -> None:
    with pytest.raises(ConfigurationError, match="range"):
        to_millimetres(wall(1.0), depth_range_m)

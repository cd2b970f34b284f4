"""Object depth: percentiles over valid pixels, the centre pixel without a mask."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from spatialbot_model.contracts.depth_stats import ObjectDepth, describe_depth, describe_region
from spatialbot_model.contracts.errors import DepthQueryError


def test_percentiles_ignore_wild_and_invalid_pixels() -> None:
    depth_mm = np.zeros((10, 30), np.uint16)
    mask = np.zeros(depth_mm.shape, bool)
    mask[:, :20] = True
    depth_mm[:, :20] = np.arange(1000, 1200).reshape(10, 20)
    depth_mm[0, 0], depth_mm[9, 19] = 1, 65535  # edge bleeding
    depth_mm[1, :2] = 0
    depth_mm[:, 20:] = 9  # not of the object
    stats = describe_depth(depth_mm, mask, center=(10, 5))
    valid = depth_mm[mask & (depth_mm > 0)]
    assert stats == ObjectDepth(
        center_mm=1110,
        min_mm=round(np.percentile(valid, 5)),
        max_mm=round(np.percentile(valid, 95)),
        mean_mm=pytest.approx(valid.mean()),
    )
    assert 1000 < stats.min_mm < stats.max_mm < 1200


@given(hnp.arrays(np.uint16, (6, 6)), hnp.arrays(bool, (6, 6)))
def test_numbers_are_ordered_and_within_the_mask(depth_mm: np.ndarray, mask: np.ndarray) -> None:
    if not mask.any():
        with pytest.raises(DepthQueryError, match="no pixel"):
            describe_depth(depth_mm, mask)
        return
    valid = depth_mm[mask & (depth_mm > 0)]
    stats = describe_depth(depth_mm, mask)
    if valid.size == 0:
        assert stats is None
        return
    assert stats is not None
    assert valid.min() <= stats.min_mm <= stats.max_mm <= valid.max()
    assert valid.min() <= stats.mean_mm <= valid.max()
    assert stats.center_mm is None or stats.center_mm in valid


def test_the_default_centre_lies_in_the_mask_even_of_a_ring() -> None:
    depth_mm = np.full((7, 7), 500, np.uint16)
    depth_mm[2:5, 2:5] = 900
    mask = depth_mm == 500
    stats = describe_depth(depth_mm, mask)
    assert stats is not None
    assert stats.center_mm == 500


def test_without_a_mask_all_four_are_the_centre_pixel() -> None:
    depth_mm = np.arange(1, 31, dtype=np.uint16).reshape(5, 6)
    assert describe_depth(depth_mm) == ObjectDepth(16, 16, 16, 16.0)
    assert describe_depth(depth_mm, center=(5, 0)) == ObjectDepth(6, 6, 6, 6.0)
    depth_mm[0, 5] = 0
    assert describe_depth(depth_mm, center=(5, 0)) is None


def test_a_centre_without_return_is_none_beside_valid_statistics() -> None:
    depth_mm = np.full((3, 3), 700, np.uint16)
    depth_mm[1, 1] = 0
    stats = describe_depth(depth_mm, np.ones((3, 3), bool))
    assert stats == ObjectDepth(None, 700, 700, 700.0)


@pytest.mark.parametrize(
    ("mask", "center", "message"),
    [
        (np.ones((3, 4), bool), None, "mask"),
        (np.ones((3, 3), np.uint8), None, "mask"),
        (np.zeros((3, 3), bool), None, "no pixel"),
        (None, (3, 0), "outside"),
        (None, (0, -1), "outside"),
    ],
)
def test_unusable_arguments_are_refused(
    mask: np.ndarray | None, center: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(DepthQueryError, match=message):
        describe_depth(np.ones((3, 3), np.uint16), mask, center)


def test_a_region_is_its_box_with_both_borders() -> None:
    depth_mm = np.zeros((10, 10), np.uint16)
    depth_mm[2:5, 4:8] = 700
    depth_mm[3, 6] = 710
    outside = depth_mm.copy()
    outside[depth_mm == 0] = 9999
    box = (0.4, 0.2, 0.75, 0.45)
    assert describe_region(outside, *box) == describe_depth(depth_mm, depth_mm > 0, (5, 3))
    assert describe_region(depth_mm, 0.65, 0.35, 0.65, 0.35) == ObjectDepth(710, 710, 710, 710.0)
    assert describe_region(depth_mm, 0.0, 0.8, 1.0, 1.0) is None
    whole = describe_region(depth_mm, 0.0, 0.0, 1.0, 1.0)
    assert whole is not None
    assert whole.center_mm is None
    assert whole.mean_mm == pytest.approx(depth_mm[depth_mm > 0].mean())


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0.5, 0.0, 0.4, 1.0), "empty"),
        ((0.0, 0.9, 1.0, 0.1), "empty"),
        ((-0.1, 0.0, 1.0, 1.0), "outside"),
        ((0.0, 0.0, 1.0, float("nan")), "outside"),
    ],
)
def test_unusable_regions_are_refused(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(DepthQueryError, match=message):
        describe_region(np.ones((4, 4), np.uint16), *box)

"""Masks of annotations."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.spatialqa.masks import mask_from_coco, runs_of_mask

MASKS = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def pack(runs: list[int]) -> str:
    """COCO's string form, written independently of the reader: differences, five bits a letter."""
    text = ""
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


@given(MASKS)
def test_runs_give_the_mask_back(mask: np.ndarray) -> None:
    runs = runs_of_mask(mask)
    height, width = mask.shape
    np.testing.assert_array_equal(mask_from_coco(runs, width, height), mask)
    packed = {"size": runs["size"], "counts": pack(runs["counts"])}
    np.testing.assert_array_equal(mask_from_coco(packed, width, height), mask)


def test_long_runs_in_a_string() -> None:
    runs = [5000, 300, 90000, 4, 40000, 2, 172534]
    mask = mask_from_coco({"size": [481, 640], "counts": pack(runs)}, 640, 481)
    assert mask.sum() == 300 + 4 + 2
    assert mask.T.ravel()[5000] and not mask.T.ravel()[4999]


@given(st.integers(0, 20), st.integers(0, 20), st.integers(2, 20), st.integers(2, 20))
def test_a_rectangle_fills_its_pixels(x: int, y: int, wide: int, high: int) -> None:
    corners = [x, y, x + wide, y, x + wide, y + high, x, y + high]
    mask = mask_from_coco([corners], 48, 48)
    assert mask[y : y + high, x : x + wide].all()
    # an edge may take the pixels that it runs along, nothing beyond
    grown = np.zeros((48, 48), np.uint8)
    grown[y : y + high, x : x + wide] = 1
    assert not (mask & (cv2.dilate(grown, np.ones((3, 3))) == 0)).any()


@pytest.mark.parametrize(
    "segmentation",
    [
        7,
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [["a"] * 6],
        {"size": [4, 4], "counts": [3]},
        {"size": [5, 4], "counts": [20]},
        {"size": [4, 4], "counts": [-1, 17]},
        {"size": [4, 4], "counts": "\x7f\x7f"},
        {"counts": [16]},
    ],
)
def test_what_is_no_mask_is_refused(segmentation: object) -> None:
    with pytest.raises(ConfigurationError):
        mask_from_coco(segmentation, 4, 4)

"""The depth tool: what is a call, which pixel it means, what the answer looks like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.depth_tool import (
    format_answers,
    format_call,
    lookup_depth,
    parse_depth_calls,
    point_to_pixel,
)
from spatialbot_model.contracts.errors import DepthQueryError
from spatialbot_model.contracts.types import DepthAnswer

unit = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("", ()),
        ("The cup is on the left.", ()),
        ("The depth value of point(0.51,0.40) is Depth(0.51,0.40).", ((0.51, 0.40),)),
        ("Depth(0.5, 0.715)", ((0.5, 0.715),)),
        ("Depth(0,1)", ((0.0, 1.0),)),
        ("Depth( 0.10 ,0.2 ) and Depth(0.3,0.4)", ((0.1, 0.2), (0.3, 0.4))),
        ("MyDepth(up,down)", ()),
    ],
)
def test_calls_are_read_in_order(text: str, calls: tuple[tuple[float, float], ...]) -> None:
    assert parse_depth_calls(text) == calls


@pytest.mark.parametrize(
    "text",
    [
        "Depth(0.5.1,0.2)",
        "Depth(0.5,0.2.1)",
        "Depth(.,.)",
        "Depth(0.5)",
        "Depth(0.5,0.2,0.3)",
        "Depth(0.5 0.2)",
        "Depth()",
        "Depth(0.5,0.2",
        "Depth(x,y)",
        "Depth(-0.1,0.2)",
        "Depth(1.01,0.2)",
        "Depth(0.5,51)",
        "Depth(nan,0.2)",
        "Depth(1e-1,0.2)",
        "Depth(0.1,0.2) then Depth(0.5,0.2.)",
    ],
)
def test_malformed_calls_are_refused(text: str) -> None:
    with pytest.raises(DepthQueryError):
        parse_depth_calls(text)


def test_the_error_quotes_the_call_and_what_was_expected() -> None:
    with pytest.raises(DepthQueryError, match=r"Depth\(0\.5\.1,0\.2\).*expected Depth\(x,y\)"):
        parse_depth_calls("It is Depth(0.5.1,0.2).")


@given(st.lists(st.tuples(unit, unit), max_size=4))
def test_formatted_calls_parse_to_the_same_numbers(points: list[tuple[float, float]]) -> None:
    text = "; ".join(format_call(x, y) for x, y in points)
    assert parse_depth_calls(text) == tuple(points)


def test_answers_are_golden() -> None:
    answers = (DepthAnswer(0.51, 0.4, 584), DepthAnswer(0.5, 0.715, None))
    assert format_answers(answers) == "API: Depth(0.51,0.40)=584\nAPI: Depth(0.50,0.715)=invalid"
    assert format_answers(()) == ""


@pytest.mark.parametrize(
    ("x", "y", "pixel"),
    [
        (0.0, 0.0, (0, 0)),
        (1.0, 1.0, (639, 479)),
        (0.5, 0.5, (320, 240)),
        (0.4999, 0.4999, (319, 239)),
        (639 / 640, 479 / 480, (639, 479)),
    ],
)
def test_points_map_to_pixels(x: float, y: float, pixel: tuple[int, int]) -> None:
    assert point_to_pixel(x, y, 640, 480) == pixel


@given(st.integers(0, 6), st.integers(0, 4))
def test_pixel_centres_map_to_their_pixel(u_px: int, v_px: int) -> None:
    depth_mm = np.arange(1, 36, dtype=np.uint16).reshape(5, 7)
    answer = lookup_depth(depth_mm, (u_px + 0.5) / 7, (v_px + 0.5) / 5)
    assert answer.depth_mm == depth_mm[v_px, u_px]


@pytest.mark.parametrize("bad", [-0.001, 1.001, float("nan"), float("inf")])
def test_points_outside_are_refused(bad: float) -> None:
    image = np.ones((4, 4), np.uint16)
    for point in ((bad, 0.5), (0.5, bad)):
        with pytest.raises(DepthQueryError, match="outside the image"):
            lookup_depth(image, *point)


def test_an_invalid_pixel_answers_with_the_median_of_its_valid_neighbours() -> None:
    depth_mm = np.zeros((9, 9), np.uint16)
    depth_mm[2, 2], depth_mm[6, 6], depth_mm[4, 5] = 100, 900, 300
    depth_mm[1, 4] = 7  # three rows up: outside the 5x5
    assert lookup_depth(depth_mm, 0.5, 0.5).depth_mm == 300
    depth_mm[4, 5] = 0
    assert lookup_depth(depth_mm, 0.5, 0.5).depth_mm == 100  # lower of the two middle ones
    depth_mm[2, 2] = depth_mm[6, 6] = 0
    assert lookup_depth(depth_mm, 0.5, 0.5).depth_mm is None


def test_the_neighbourhood_is_cut_at_the_border() -> None:
    depth_mm = np.zeros((9, 9), np.uint16)
    depth_mm[8, 8] = 500  # would be met by wrap-around
    assert lookup_depth(depth_mm, 0.0, 0.0).depth_mm is None
    depth_mm[2, 2] = 40
    assert lookup_depth(depth_mm, 0.0, 0.0).depth_mm == 40
    depth_mm[8, 8] = 0
    depth_mm[6, 6] = 60
    assert lookup_depth(depth_mm, 1.0, 1.0).depth_mm == 60


@pytest.mark.parametrize(
    "image",
    [
        np.ones((4, 4), np.float32),
        np.ones((4, 4), np.int32),
        np.ones((4, 4, 1), np.uint16),
        np.ones((0, 4), np.uint16),
        [[1, 2]],
    ],
)
def test_what_is_no_depth_image_is_refused(image: object) -> None:
    with pytest.raises(DepthQueryError, match="depth image"):
        lookup_depth(image, 0.5, 0.5)  # type: ignore[arg-type]

"""The frame history: newest first, padded with the oldest, never backwards in time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError, StaleDataError
from spatialbot_model.contracts.history import FrameHistory, rgbd_order
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame

INTRINSICS = CameraIntrinsics(2, 1, 1.0, 1.0, 0.5, 0.0)


def frame(stamp_ns: int) -> RgbdFrame:
    return RgbdFrame(
        stamp_ns, np.zeros((1, 2, 3), np.uint8), np.zeros((1, 2), np.uint16), INTRINSICS
    )


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=9, unique=True), st.integers(1, 5))
def test_frames_are_the_newest_padded_with_the_oldest(stamps: list[int], length: int) -> None:
    history = FrameHistory(length)
    stamps = sorted(stamps)
    for stamp_ns in stamps:
        history.push(frame(stamp_ns))
    held = stamps[::-1][:length]
    expected = held + [held[-1]] * (length - len(held))
    assert [f.stamp_ns for f in history.frames()] == expected
    assert len(history) == len(held)
    assert history.length == length


def test_the_default_length_is_four() -> None:
    history = FrameHistory()
    history.push(frame(1))
    assert [f.stamp_ns for f in history.frames()] == [1, 1, 1, 1]


def test_going_backwards_is_refused_and_leaves_the_history_as_it_was() -> None:
    history = FrameHistory()
    history.push(frame(5))
    with pytest.raises(StaleDataError, match="4 ns is older"):
        history.push(frame(4))
    assert [f.stamp_ns for f in history.frames()] == [5] * 4
    history.clear()
    history.push(frame(4))
    assert [f.stamp_ns for f in history.frames()] == [4] * 4


def test_the_same_stamp_replaces_instead_of_repeating() -> None:
    history = FrameHistory(2)
    history.push(frame(1))
    history.push(frame(2))
    again = frame(2)
    history.push(again)
    assert [f.stamp_ns for f in history.frames()] == [2, 1]
    assert history.frames()[0] is again


def test_an_empty_history_and_a_length_of_zero_are_refused() -> None:
    with pytest.raises(StaleDataError, match="empty"):
        FrameHistory().frames()
    with pytest.raises(ConfigurationError, match="0 frames"):
        FrameHistory(0)


def test_rgbd_order_alternates_colour_and_depth_from_the_newest() -> None:
    newest, oldest = frame(2), frame(1)
    images = rgbd_order((newest, oldest))
    expected = (newest.color, newest.depth_mm, oldest.color, oldest.depth_mm)
    assert len(images) == 4
    assert all(a is b for a, b in zip(images, expected, strict=True))
    assert len(rgbd_order((newest, newest))) == 4


def test_rgbd_order_refuses_oldest_first() -> None:
    with pytest.raises(StaleDataError, match="newest first"):
        rgbd_order((frame(1), frame(2)))

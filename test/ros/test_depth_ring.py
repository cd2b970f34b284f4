"""The depth ring: exact stamps, the newest one, and what it says when it has neither."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError, DepthQueryError
from spatialbot_ros.depth_ring import DepthRing


def image(value_mm: int) -> np.ndarray:
    return np.full((2, 3), value_mm, np.uint16)


@given(st.lists(st.integers(0, 10**18), min_size=1, unique=True), st.integers(1, 5))
def test_the_newest_images_are_found_by_their_exact_stamp(stamps: list[int], size: int) -> None:
    ring = DepthRing(size)
    images = {stamp_ns: image(i) for i, stamp_ns in enumerate(sorted(stamps))}
    for stamp_ns, depth_mm in images.items():
        ring.push(stamp_ns, depth_mm)
    held = sorted(stamps)[-size:]
    assert ring.stamps_ns == tuple(held)
    assert len(ring) == len(held)
    for stamp_ns in held:
        found = ring.find(stamp_ns)
        assert found.stamp_ns == stamp_ns
        assert found.depth_mm is images[stamp_ns]
    assert ring.find().stamp_ns == held[-1]
    for stamp_ns in sorted(stamps)[:-size]:
        with pytest.raises(DepthQueryError, match=str(held[-1])):
            ring.find(stamp_ns)


def test_an_empty_ring_points_to_the_camera() -> None:
    with pytest.raises(DepthQueryError, match="camera node"):
        DepthRing(3).find()


def test_an_unknown_stamp_names_the_stamps_held() -> None:
    ring = DepthRing(20)
    ring.push(10, image(1))
    ring.push(20, image(2))
    with pytest.raises(DepthQueryError, match=r"stamp 15 ns is held; held are 10, 20 ns"):
        ring.find(15)
    for stamp_ns in range(30, 150, 10):
        ring.push(stamp_ns, image(3))
    with pytest.raises(DepthQueryError, match=r"held are 14 from 10 ns on.* 130, 140 ns"):
        ring.find(15)


def test_time_set_back_drops_what_belongs_to_the_other_time() -> None:
    ring = DepthRing(4)
    ring.push(100, image(1))
    ring.push(200, image(2))
    ring.push(5, image(3))
    assert ring.stamps_ns == (5,)


def test_an_equal_stamp_replaces_its_image() -> None:
    ring = DepthRing(4)
    ring.push(100, image(1))
    ring.push(100, image(2))
    assert len(ring) == 1
    assert ring.find(100).depth_mm[0, 0] == 2


def test_a_ring_without_room_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="0 images"):
        DepthRing(0)

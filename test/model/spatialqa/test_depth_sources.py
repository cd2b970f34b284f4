"""Depth files in every unit; what is no depth is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_model.spatialqa.depth_sources import (
    METRES,
    TUM,
    DepthScale,
    depth_files,
    read_depth,
    to_millimetres,
)

METRES_M = np.array([[0.0, 1.234, np.nan], [np.inf, -1.0, 65.5349]], np.float32)
IN_MM = [[0, 1234, 0], [0, 0, 65535]]


def test_every_format_gives_millimetres(tmp_path: Path) -> None:
    mm = np.array([[0, 1, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), mm)
    np.testing.assert_array_equal(read_depth(tmp_path / "a.png"), mm)
    cv2.imwrite(str(tmp_path / "b.tiff"), METRES_M)
    np.testing.assert_array_equal(read_depth(tmp_path / "b.tiff"), IN_MM)
    np.save(tmp_path / "c.npy", METRES_M)
    np.testing.assert_array_equal(read_depth(tmp_path / "c.npy"), IN_MM)
    np.testing.assert_array_equal(read_depth(tmp_path / "a.png", TUM), [[0, 0, 13107]])
    assert list(depth_files(tmp_path)) == ["a", "b", "c"]


def test_exr(tmp_path: Path) -> None:
    path = tmp_path / "d.exr"
    try:
        import OpenEXR
    except ImportError:
        path.write_bytes(b"v/1\x01")
        with pytest.raises(MissingDependencyError, match="pip install OpenEXR"):
            read_depth(path)
        return
    OpenEXR.File({}, {"Z": METRES_M}).write(str(path))
    np.testing.assert_array_equal(read_depth(path), IN_MM)


@given(arrays(np.float64, (3, 4), elements=st.floats(-1e6, 1e6) | st.just(np.nan)))
def test_numbers_become_the_nearest_millimetre(depth: np.ndarray) -> None:
    got = to_millimetres(depth, DepthScale(1000.0, 20_000))
    for value, mm in zip(depth.ravel().tolist(), got.ravel().tolist(), strict=True):
        if 0 < value * 1000 <= 20_000:
            assert abs(mm - value * 1000) <= 0.5 + 1e-9
        else:
            assert mm == 0


def test_what_is_no_depth_is_refused(tmp_path: Path) -> None:
    eight = tmp_path / "eight.png"
    cv2.imwrite(str(eight), np.full((4, 4), 9, np.uint8))
    with pytest.raises(ConfigurationError, match="8-bit"):
        read_depth(eight)
    cv2.imwrite(str(tmp_path / "rgb.png"), np.zeros((4, 4, 3), np.uint16))
    with pytest.raises(ConfigurationError, match="one channel"):
        read_depth(tmp_path / "rgb.png")
    np.save(tmp_path / "signed.npy", np.zeros((4, 4), np.int32))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    for name in ("signed.npy", "broken.png", "missing.png"):
        with pytest.raises(ConfigurationError):
            read_depth(tmp_path / name)
    with pytest.raises(ConfigurationError, match="no depth file"):
        depth_files(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError):
        DepthScale(0.0)
    assert METRES.mm_per_unit == 1000.0

"""Image files are read as what they are declared to be."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.processing.image_files import read_depth_mm, read_rgb


def test_colour_is_rgb_and_depth_is_exact(tmp_path: Path) -> None:
    rgb = np.zeros((4, 5, 3), np.uint8)
    rgb[..., 0] = 200
    rgb[1, 2] = (1, 2, 3)
    depth_mm = np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000
    cv2.imwrite(str(tmp_path / "rgb.png"), rgb[..., ::-1])
    cv2.imwrite(str(tmp_path / "depth.png"), depth_mm)
    assert np.array_equal(read_rgb(tmp_path / "rgb.png"), rgb)
    assert np.array_equal(read_depth_mm(tmp_path / "depth.png"), depth_mm)


def test_an_8_bit_or_coloured_file_is_no_depth(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.zeros((4, 5), np.uint8))
    cv2.imwrite(str(tmp_path / "three.png"), np.zeros((4, 5, 3), np.uint16))
    for name in ("grey.png", "three.png"):
        with pytest.raises(ConfigurationError, match="16-bit"):
            read_depth_mm(tmp_path / name)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    for name in ("text.png", "empty.png", "missing.png"):
        with pytest.raises(ConfigurationError, match=name):
            read_rgb(tmp_path / name)

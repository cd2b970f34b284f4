"""The kinds of graspable objects: sizes and colours.

Sizes fit the FR3 hand: it opens to 80 mm, so nothing is wider than 60 mm across the fingers.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import UnknownNameError

ObjectKind = Literal["cube", "ball", "cup", "banana", "bottle"]
Size = Literal["small", "medium", "large", "tall", "short", "wide", "thin"]

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.07, 0.07),
    "green": (0.08, 0.55, 0.16),
    "blue": (0.08, 0.20, 0.78),
    "yellow": (0.95, 0.80, 0.04),
}
"""Saturated colours that neither the table, the boards nor the robot have."""

PAINTS: dict[str, tuple[float, float, float]] = {
    **COLORS,
    "orange": (0.93, 0.42, 0.04),
    "purple": (0.42, 0.10, 0.58),
    "pink": (0.95, 0.45, 0.62),
    "white": (0.97, 0.97, 0.95),
    "black": (0.07, 0.07, 0.08),
}
"""Every colour that things can have."""

CUBE_HALF_M = 0.020
BALL_RADIUS_M = 0.022
CUP_RADIUS_M = 0.026
CUP_HEIGHT_M = 0.050
CUP_WALL_M = 0.004
BANANA_RADIUS_M = 0.015
BANANA_BEND_M = 0.090
"""Radius of the arc that a banana's middle line follows."""
BANANA_HALF_ANGLE_RAD = 0.60
BOTTLE_RADIUS_M = 0.022
BOTTLE_HEIGHT_M = 0.090
BOTTLE_NECK_M = 0.022
"""Shoulder and neck, whatever the bottle's height."""
WIDEST_GRASP_M = 0.060

_NOMINAL_M: dict[str, tuple[float, float, float]] = {
    "cube": (2 * CUBE_HALF_M, 2 * CUBE_HALF_M, 2 * CUBE_HALF_M),
    "ball": (2 * BALL_RADIUS_M, 2 * BALL_RADIUS_M, 2 * BALL_RADIUS_M),
    "cup": (2 * CUP_RADIUS_M, 2 * CUP_RADIUS_M, CUP_HEIGHT_M),
    "banana": (0.118, 0.040, 2 * BANANA_RADIUS_M),
    "bottle": (2 * BOTTLE_RADIUS_M, 2 * BOTTLE_RADIUS_M, BOTTLE_HEIGHT_M),
}
_SCALES: dict[str, dict[Size, tuple[float, float]]] = {
    "cube": {"small": (0.72, 0.72), "medium": (1.0, 1.0), "large": (1.40, 1.40)},
    "ball": {"small": (0.72, 0.72), "medium": (1.0, 1.0), "large": (1.30, 1.30)},
    "banana": {"small": (0.76, 0.76), "medium": (1.0, 1.0), "large": (1.28, 1.28)},
    "cup": {
        "small": (0.75, 0.75),
        "medium": (1.0, 1.0),
        "large": (1.14, 1.30),
        "tall": (1.0, 1.40),
        "short": (1.0, 0.72),
        "wide": (1.14, 1.0),
        "thin": (0.72, 1.0),
    },
    "bottle": {
        "small": (0.75, 0.75),
        "medium": (1.0, 1.0),
        "large": (1.30, 1.30),
        "tall": (1.0, 1.40),
        "short": (1.0, 0.72),
        "wide": (1.34, 1.0),
        "thin": (0.72, 1.0),
    },
}
SIZES: dict[str, tuple[Size, ...]] = {kind: tuple(scales) for kind, scales in _SCALES.items()}
"""The sizes that a kind comes in."""


def scales_of(kind: str, size: Size) -> tuple[float, float]:
    """Factors of the nominal width and height.

    Raises:
        UnknownNameError: the kind does not exist, or not in this size.
    """
    if kind not in _SCALES:
        raise UnknownNameError("object kind", kind, _SCALES)
    if size not in _SCALES[kind]:
        raise UnknownNameError(f"size of a {kind}", size, _SCALES[kind])
    return _SCALES[kind][size]


def extent_of(kind: str, size: Size = "medium") -> NDArray[np.float64]:
    """(3,) full size of a standing object along its own axes [m], a cup's handle left out.

    Raises:
        UnknownNameError: the kind does not exist, or not in this size.
    """
    width, height = scales_of(kind, size)
    return np.array(_NOMINAL_M[kind]) * (width, width, height)


def rest_height_m(kind: str, size: Size = "medium") -> float:
    """Height of a body's centre above the surface it stands on.

    Raises:
        UnknownNameError: the kind does not exist, or not in this size.
    """
    return float(extent_of(kind, size)[2]) / 2

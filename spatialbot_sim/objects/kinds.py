"""The kinds of graspable objects: nominal sizes, colours, and how the hand takes them.

Sizes fit the FR3 hand: it opens to 80 mm, so nothing is wider than 60 mm across the fingers, and
nothing rises more than 35 mm above the tool centre point, where the palm begins at 40 mm.
"""

from dataclasses import dataclass
from typing import Literal

from spatialbot_model.contracts.errors import UnknownNameError

ObjectKind = Literal["cube", "ball", "cup", "banana", "bottle", "can"]

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
CAN_RADIUS_M = 0.025
CAN_HEIGHT_M = 0.062
WIDEST_GRASP_M = 0.060


@dataclass(frozen=True, slots=True)
class Extent:
    """Outer size of a standing object along its own axes [m], a cup's handle left out."""

    length_m: float
    width_m: float
    height_m: float

    @property
    def radius_m(self) -> float:
        """Half the larger horizontal size."""
        return max(self.length_m, self.width_m) / 2


_NOMINAL: dict[str, Extent] = {
    "cube": Extent(2 * CUBE_HALF_M, 2 * CUBE_HALF_M, 2 * CUBE_HALF_M),
    "ball": Extent(2 * BALL_RADIUS_M, 2 * BALL_RADIUS_M, 2 * BALL_RADIUS_M),
    "cup": Extent(2 * CUP_RADIUS_M, 2 * CUP_RADIUS_M, CUP_HEIGHT_M),
    "banana": Extent(0.127, 0.043, 2 * BANANA_RADIUS_M),
    "bottle": Extent(2 * BOTTLE_RADIUS_M, 2 * BOTTLE_RADIUS_M, BOTTLE_HEIGHT_M),
    "can": Extent(2 * CAN_RADIUS_M, 2 * CAN_RADIUS_M, CAN_HEIGHT_M),
}
STANDING: frozenset[str] = frozenset({"cup", "bottle", "can"})
"""Kinds that have a right way up."""
STRETCHABLE: frozenset[str] = frozenset({"cup", "bottle", "can"})
"""Kinds whose height and width may differ from the nominal by different factors."""


def extent_of(kind: str, width_scale: float = 1.0, height_scale: float = 1.0) -> Extent:
    """Outer size of a kind of object.

    Raises:
        UnknownNameError: no such kind of object.
    """
    if kind not in _NOMINAL:
        raise UnknownNameError("object kind", kind, _NOMINAL)
    nominal = _NOMINAL[kind]
    return Extent(
        nominal.length_m * width_scale,
        nominal.width_m * width_scale,
        nominal.height_m * height_scale,
    )


def rest_height_m(kind: str) -> float:
    """Height of a body's centre above the surface it stands on, at nominal size.

    Raises:
        UnknownNameError: no such kind of object.
    """
    return extent_of(kind).height_m / 2

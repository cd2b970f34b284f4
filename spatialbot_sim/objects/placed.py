"""What stands where: immutable descriptions of things, without any geometry of meshes.

Positions are in the base frame, yaw about the vertical; `base_z_m` is the height above the table
of the surface that a thing stands on.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects.kinds import Extent, ObjectKind, extent_of

Side = Literal["left", "right"]
PlaceKind = Literal["board", "box", "area", "stand"]
ObstacleKind = Literal["carton", "tall bottle"]
Pattern = Literal["plain", "speckled", "banded"]

BOARD_HALF_M = (0.10, 0.08, 0.006)
"""Half extents of a cutting board along its own x (away from the robot), y and z."""
BOX_HALF_M = (0.080, 0.080, 0.015)
"""Outer half extents of an open box: the opened hand fits in."""
BOX_WALL_M = 0.004
BOX_FLOOR_M = 0.003
AREA_HALF_M = (0.075, 0.075, 0.0)
STAND_HALF_M = (0.045, 0.045)


@dataclass(frozen=True, slots=True)
class PlacedObject:
    """A graspable object and where it starts.

    Attributes:
        name: MuJoCo body name, unique in its scene.
        x_m, y_m: centre on the table in the base frame.
        yaw_rad: rotation about the vertical.
        width_scale, height_scale: size relative to the nominal one of the kind.
        base_z_m: height of what it stands on above the table.
        pattern: what its surface looks like.
    """

    name: str
    kind: ObjectKind
    color: str
    x_m: float
    y_m: float
    yaw_rad: float
    width_scale: float = 1.0
    height_scale: float = 1.0
    base_z_m: float = 0.0
    pattern: Pattern = "plain"

    @property
    def extent(self) -> Extent:
        """Length, width and height as it stands."""
        return extent_of(self.kind, self.width_scale, self.height_scale)

    @property
    def rest_height_m(self) -> float:
        """Height of the body's centre above the surface it stands on."""
        return self.extent.height_m / 2

    @property
    def top_z_m(self) -> float:
        """Height of its highest point above the table."""
        return self.base_z_m + self.extent.height_m


@dataclass(frozen=True, slots=True)
class PlacedBoard:
    """A cutting board; `side` is as seen by the camera (left = base -y)."""

    name: str
    side: Side
    x_m: float
    y_m: float
    yaw_rad: float
    scale: float = 1.0

    @property
    def half_m(self) -> NDArray[np.float64]:
        """(3,) half extents along its own axes."""
        return np.array(BOARD_HALF_M) * (self.scale, self.scale, 1.0)

    @property
    def kind(self) -> PlaceKind:
        """Always "board"."""
        return "board"


@dataclass(frozen=True, slots=True)
class PlacedHolder:
    """What is no board and still can hold things: an open box, a marked area, a stand.

    Attributes:
        height_m: of a stand's top above the table; elsewhere given by the kind.
    """

    name: str
    kind: PlaceKind
    color: str
    x_m: float
    y_m: float
    yaw_rad: float
    height_m: float = 0.0

    @property
    def half_m(self) -> NDArray[np.float64]:
        """(3,) outer half extents along its own axes."""
        if self.kind == "box":
            return np.array(BOX_HALF_M)
        if self.kind == "stand":
            return np.array((*STAND_HALF_M, self.height_m / 2))
        return np.array(AREA_HALF_M)

    @property
    def inner_half_m(self) -> NDArray[np.float64]:
        """(2,) half extents of where things can stand."""
        wall_m = BOX_WALL_M if self.kind == "box" else 0.0
        return self.half_m[:2] - wall_m


@dataclass(frozen=True, slots=True)
class PlacedObstacle:
    """A tall thing in the way, free to tip over; nobody may touch it."""

    name: str
    kind: ObstacleKind
    x_m: float
    y_m: float
    yaw_rad: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Print:
    """A flat sheet with the picture that the camera would see of `item` standing there."""

    name: str
    item: PlacedObject


PlacedThing = PlacedBoard | PlacedHolder


def surface_height_m(place: PlacedThing) -> float:
    """Height above the table at which things stand on or in a place."""
    if isinstance(place, PlacedBoard):
        return 2 * BOARD_HALF_M[2]
    return {"box": BOX_FLOOR_M, "stand": place.height_m}.get(place.kind, 0.0)


def own_axes_xy(place: PlacedThing, x_m: float, y_m: float) -> tuple[float, float]:
    """A point of the base frame, seen from a place's centre along the place's axes [m]."""
    dx, dy = x_m - place.x_m, y_m - place.y_m
    cos, sin = np.cos(place.yaw_rad), np.sin(place.yaw_rad)
    return float(cos * dx + sin * dy), float(cos * dy - sin * dx)


def outside_by_m(place: PlacedThing, x_m: float, y_m: float) -> float:
    """Distance of a point from a place's rectangle; negative inside (to the nearest edge)."""
    along, across = own_axes_xy(place, x_m, y_m)
    half = place.half_m if isinstance(place, PlacedBoard) else place.inner_half_m
    beyond = np.abs([along, across]) - half[:2]
    if beyond.max() <= 0:
        return float(beyond.max())
    return float(np.hypot(*np.maximum(beyond, 0.0)))

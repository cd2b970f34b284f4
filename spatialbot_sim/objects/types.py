"""What stands where: immutable descriptions of things, without any geometry of meshes.

Positions are in the base frame `fr3_link0`, yaw about the vertical; heights are above the table.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects.kinds import ObjectKind, Size, extent_of

Side = Literal["left", "right"]
ContainerKind = Literal["box", "tray", "stand"]
ObstacleKind = Literal["pillar", "wall"]

BOARD_HALF_M = (0.10, 0.08, 0.006)
"""Half extents of a cutting board along its own x (away from the robot), y and z."""
CONTAINER_HALF_M: dict[str, tuple[float, float, float]] = {
    "box": (0.080, 0.080, 0.015),
    "tray": (0.095, 0.075, 0.008),
    "stand": (0.045, 0.045, 0.020),
}
"""Outer half extents; the walls are so low that the opened hand fits in from above."""
_WALL_M: dict[str, float] = {"box": 0.004, "tray": 0.004, "stand": 0.0}
_FLOOR_M: dict[str, float] = {"box": 0.003, "tray": 0.003, "stand": 0.040}


@dataclass(frozen=True, slots=True)
class PlacedObject:
    """A graspable object and where it starts.

    Attributes:
        name: MuJoCo body name, unique in its scene.
        x_m, y_m: centre in the base frame.
        yaw_rad: rotation about the vertical.
        size: one of `SIZES` of its kind.
        support_z_m: height above the table of the surface that it stands on.
    """

    name: str
    kind: ObjectKind
    color: str
    x_m: float
    y_m: float
    yaw_rad: float
    size: Size = "medium"
    support_z_m: float = 0.0

    @property
    def extent_m(self) -> NDArray[np.float64]:
        """(3,) full size at yaw 0 [m], a cup's handle left out.

        Raises:
            UnknownNameError: the kind does not exist, or not in this size.
        """
        return extent_of(self.kind, self.size)

    @property
    def rest_height_m(self) -> float:
        """Height of the body's centre above the surface it stands on."""
        return float(self.extent_m[2]) / 2

    def moved_to(self, x_m: float, y_m: float) -> "PlacedObject":
        """The same object at another place."""
        return replace(self, x_m=x_m, y_m=y_m)


@dataclass(frozen=True, slots=True)
class PlacedBoard:
    """A cutting board; `side` is as seen by the camera (left = base -y)."""

    name: str
    side: Side
    x_m: float
    y_m: float
    yaw_rad: float


@dataclass(frozen=True, slots=True)
class PlacedContainer:
    """What can hold things: an open box, a tray, or a stand to put things up on; all immovable."""

    name: str
    kind: ContainerKind
    color: str
    x_m: float
    y_m: float
    yaw_rad: float

    @property
    def half_m(self) -> NDArray[np.float64]:
        """(3,) outer half extents along its own axes; the body's origin is on the table."""
        return np.array(CONTAINER_HALF_M[self.kind])

    @property
    def inner_half_m(self) -> NDArray[np.float64]:
        """(2,) half extents of the surface that things can stand on."""
        return self.half_m[:2] - _WALL_M[self.kind]

    @property
    def floor_z_m(self) -> float:
        """Height above the table of the surface that things stand on."""
        return _FLOOR_M[self.kind]


@dataclass(frozen=True, slots=True)
class PlacedPrint:
    """A flat sheet that, from the camera's place, looks like an object.

    Attributes:
        of: the object as it would stand there.
        x_m, y_m: where the shown object seems to stand; the sheet lies there and behind it.
    """

    name: str
    of: PlacedObject
    x_m: float
    y_m: float

    @property
    def shown(self) -> PlacedObject:
        """The object at the place where it seems to stand."""
        return self.of.moved_to(self.x_m, self.y_m)


@dataclass(frozen=True, slots=True)
class PlacedObstacle:
    """A thing in the way; it stands free, so that a touch moves or tips it.

    Attributes:
        size_m: full size along its own axes; of a pillar the first two are the diameter.
    """

    name: str
    kind: ObstacleKind
    x_m: float
    y_m: float
    yaw_rad: float
    size_m: tuple[float, float, float]

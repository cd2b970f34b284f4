"""How the hand takes each kind of object, from above."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects.kinds import BANANA_BEND_M, BANANA_HALF_ANGLE_RAD, BANANA_RADIUS_M
from spatialbot_sim.objects.placed import PlacedObject

_LOWEST_M = 0.013
"""Of the tool centre point above the surface: the fingertips reach 9 mm further down."""
_PALM_ROOM_M = 0.032
"""How far a thing may rise above the tool centre point."""
_QUARTERS = (0.0, np.pi / 2, np.pi, -np.pi / 2)


@dataclass(frozen=True, slots=True)
class Grasp:
    """One way to take a thing that stands upright.

    Attributes:
        point_m: (3,) where the tool centre point goes, in the thing's own frame (its origin is
            half its height above the surface it stands on).
        yaws_rad: directions of the tool's x axis about the thing's z axis; the fingers close
            across it. Empty when every direction does.
        width_m: of the thing between the fingers.
    """

    point_m: NDArray[np.float64]
    yaws_rad: tuple[float, ...]
    width_m: float


def grasps_of(item: PlacedObject) -> tuple[Grasp, ...]:
    """The ways to grasp an object."""
    extent = item.extent
    height_m = max(extent.height_m / 2, extent.height_m - _PALM_ROOM_M, _LOWEST_M)
    z_m = height_m - extent.height_m / 2
    if item.kind == "cube":
        # a little above the centre: room for the hand, the fingertips well above the table
        return (Grasp(np.array([0.0, 0.0, z_m + 0.002]), _QUARTERS, extent.width_m),)
    if item.kind == "cup":
        # the handle points along the cup's x axis, out of the way of the fingers
        return (Grasp(np.array([0.0, 0.0, z_m]), (0.0, np.pi), extent.width_m),)
    if item.kind == "banana":
        point_m = np.array([0.0, banana_middle_m(item.width_scale), z_m])
        return (Grasp(point_m, (0.0, np.pi), 2 * BANANA_RADIUS_M * item.width_scale),)
    return (Grasp(np.array([0.0, 0.0, z_m]), (), extent.width_m),)


def banana_middle_m(scale: float) -> float:
    """How far the middle of a banana lies off its centre of mass, along its own y."""
    centroid_m = BANANA_BEND_M * np.sin(BANANA_HALF_ANGLE_RAD) / BANANA_HALF_ANGLE_RAD
    return float(scale * (BANANA_BEND_M - centroid_m))

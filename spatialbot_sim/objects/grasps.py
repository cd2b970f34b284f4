"""How the hand takes each kind of object, from above."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects.kinds import (
    BANANA_BEND_M,
    BANANA_HALF_ANGLE_RAD,
    BANANA_RADIUS_M,
    scales_of,
)
from spatialbot_sim.objects.types import PlacedObject

_LOWEST_M = 0.013
"""Of the tool centre point above the surface: the fingertips reach 9 mm further down."""
_PALM_ROOM_M = 0.032
"""How far a thing may rise above the tool centre point."""


@dataclass(frozen=True, slots=True)
class Grasp:
    """How to take an object that stands upright.

    Attributes:
        offset_m: (3,) where the tool centre point goes, in the body frame (its origin is half the
            object's height above the surface it stands on).
        yaw_rad: of the gripper in the body frame: the fingers close along the y axis of a frame
            turned so about the body's z. Half a turn more is the same grasp.
        width_m: of the object between the fingers.
        symmetric: any yaw will do.
    """

    offset_m: NDArray[np.float64]
    yaw_rad: float
    width_m: float
    symmetric: bool = False


def grasp_of(item: PlacedObject) -> Grasp:
    """The best way to grasp an object.

    Raises:
        UnknownNameError: its kind does not exist, or not in its size.
    """
    length_m, width_m, tall_m = item.extent_m
    z_m = max(tall_m / 2, tall_m - _PALM_ROOM_M, _LOWEST_M) - tall_m / 2
    if item.kind == "cube":
        # a little above the centre: room for the hand, the fingertips well above the table
        return Grasp(np.array([0.0, 0.0, z_m + 0.002]), 0.0, float(length_m))
    if item.kind == "cup":
        # the handle points along the cup's x axis, out of the way of the fingers
        return Grasp(np.array([0.0, 0.0, z_m]), 0.0, float(width_m))
    if item.kind == "banana":
        scale = scales_of(item.kind, item.size)[0]
        offset_m = np.array([0.0, banana_middle_m(scale), z_m])
        return Grasp(offset_m, 0.0, 2 * BANANA_RADIUS_M * scale)
    return Grasp(np.array([0.0, 0.0, z_m]), 0.0, float(width_m), symmetric=True)


def grasps_of(item: PlacedObject) -> tuple[Grasp, ...]:
    """Every way to grasp an object, the best first; half a turn more is not counted.

    Raises:
        UnknownNameError: its kind does not exist, or not in its size.
    """
    best = grasp_of(item)
    if item.kind == "cube":
        return best, Grasp(best.offset_m, np.pi / 2, best.width_m)
    return (best,)


def banana_middle_m(scale: float) -> float:
    """How far the middle of a banana lies off its centre of mass, along its own y."""
    centroid_m = BANANA_BEND_M * np.sin(BANANA_HALF_ANGLE_RAD) / BANANA_HALF_ANGLE_RAD
    return float(scale * (BANANA_BEND_M - centroid_m))

"""Where the hand has to be to grasp a thing, and where the thing has to be put down.

All grasps come from above: the hand is the home pose's, turned about the vertical.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_sim.objects import (
    BALL_RADIUS_M,
    BOARD_HALF_M,
    CUBE_HALF_M,
    CUP_RADIUS_M,
    PlacedObject,
)
from spatialbot_sim.tasks import Scene


@dataclass(frozen=True, slots=True)
class Grasp:
    """One way to take a thing that stands upright.

    Attributes:
        point_m: (3,) where the tool centre point goes, in the thing's own frame.
        yaws_rad: directions of the tool's x axis about the thing's z axis; the fingers close
            across it. Empty when every direction does.
        width_m: of the thing between the fingers.
    """

    point_m: NDArray[np.float64]
    yaws_rad: tuple[float, ...]
    width_m: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is to be put down.

    Attributes:
        center_m: (3,) where the centre of the thing comes to rest, in the base frame.
        tolerance_m: how far from it, horizontally, it may rest.
    """

    center_m: NDArray[np.float64]
    tolerance_m: float


_QUARTERS = (0.0, np.pi / 2, np.pi, -np.pi / 2)


def grasps_of(item: PlacedObject) -> tuple[Grasp, ...]:
    """The ways to grasp an object.

    Raises:
        UnknownNameError: nobody knows how to grasp such a thing.
    """
    # a little above the centre: room for the hand, the fingertips well above the table
    if item.kind == "cube":
        return (Grasp(np.array([0.0, 0.0, 0.002]), _QUARTERS, 2 * CUBE_HALF_M),)
    if item.kind == "ball":
        return (Grasp(np.zeros(3), (), 2 * BALL_RADIUS_M),)
    if item.kind == "cup":
        # the handle points along the cup's x axis, out of the way of the fingers
        return (Grasp(np.zeros(3), (0.0, np.pi), 2 * CUP_RADIUS_M),)
    raise UnknownNameError("object kind", item.kind, ("cube", "ball", "cup"))


def place_of(scene: Scene, table_top_z_m: float) -> Place:
    """Where the target of a scene is to be put down."""
    target = scene.object_named(scene.target)
    board = scene.board_named(scene.destination)
    z_m = table_top_z_m + 2 * BOARD_HALF_M[2] + target.rest_height_m
    return Place(np.array([board.x_m, board.y_m, z_m]), 0.05)

"""Every kind of object in every size stands still, and the hand takes it as `grasps_of` says."""

import numpy as np
import pytest
from grasp_rig import bounds_m, hold_arm, lift, upright_cosine, world_with

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_sim.objects import (
    PAINTS,
    STANDING,
    WIDEST_GRASP_M,
    PlacedObject,
    extent_of,
    grasps_of,
)

SHAPES = [
    ("cube", 0.72, 0.72),
    ("cube", 1.0, 1.0),
    ("cube", 1.40, 1.40),
    ("ball", 0.72, 0.72),
    ("ball", 1.0, 1.0),
    ("ball", 1.30, 1.30),
    ("cup", 0.66, 0.76),
    ("cup", 1.0, 1.0),
    ("cup", 1.15, 1.40),
    ("banana", 0.76, 0.76),
    ("banana", 1.0, 1.0),
    ("banana", 1.28, 1.28),
    ("bottle", 0.72, 0.80),
    ("bottle", 1.0, 1.0),
    ("bottle", 1.0, 1.38),
    ("bottle", 1.30, 0.80),
    ("can", 0.68, 0.70),
    ("can", 1.0, 1.0),
    ("can", 1.16, 1.30),
]
"""Kind, width and height: the nominal size and the ends of what the families lay."""


def placed(kind: str, width: float, height: float, yaw_rad: float = 0.2) -> PlacedObject:
    color = "yellow" if kind == "banana" else "red"
    return PlacedObject("it", kind, color, 0.5, 0.05, yaw_rad, width, height)


@pytest.mark.parametrize(("kind", "width", "height"), SHAPES)
def test_stands_still(cell: Cell, kind: str, width: float, height: float) -> None:
    item = placed(kind, width, height)
    world = world_with(cell, item)
    laid_m = (item.x_m, item.y_m, cell.table_top_z_m + item.rest_height_m)
    assert world.body_position_m("it") == pytest.approx(laid_m, abs=1e-3)
    start_m = world.body_position_m("it")
    hold_arm(world, 1.0)
    assert np.linalg.norm(world.body_position_m("it") - start_m) < 5e-4
    if kind in STANDING:
        assert upright_cosine(world, "it") > 0.999


@pytest.mark.parametrize(("kind", "width", "height"), SHAPES)
def test_the_hand_takes_it_and_lifts_it(cell: Cell, kind: str, width: float, height: float) -> None:
    item = placed(kind, width, height)
    grasp = grasps_of(item)[0]
    assert grasp.width_m <= WIDEST_GRASP_M + 1e-9
    lifted = lift(cell, item, grasp, grasp.yaws_rad[0] if grasp.yaws_rad else 0.0)
    assert lifted.approach_shift_m < 2e-3, "the open hand pushed it on the way down"
    assert lifted.fingers == 2
    assert not lifted.hand_touches
    assert lifted.rise_m == pytest.approx(0.10, abs=6e-3)
    assert lifted.slip_m < 5e-3
    # a cylinder touches the pads along a line and sinks in a little
    assert lifted.width_m == pytest.approx(grasp.width_m, abs=7e-3)


@pytest.mark.parametrize(("kind", "width", "height"), SHAPES)
def test_collides_where_its_extent_says(cell: Cell, kind: str, width: float, height: float) -> None:
    item = placed(kind, width, height, yaw_rad=0.0)
    world = world_with(cell, item)
    size_m = np.diff(bounds_m(world, "it"), axis=0)[0]
    extent = item.extent
    # the cup's wall is a ring of boxes whose corners stand out
    assert size_m == pytest.approx([extent.length_m, extent.width_m, extent.height_m], abs=2e-3)


def test_a_wrong_grasp_is_noticed(cell: Cell) -> None:
    """The rig can fail: fingers that close above a cube do not lift it."""
    item = placed("cube", 1.0, 1.0)
    grasp = grasps_of(item)[0]
    high = type(grasp)(grasp.point_m + np.array([0.0, 0.0, 0.045]), grasp.yaws_rad, grasp.width_m)
    lifted = lift(cell, item, high, 0.0)
    assert lifted.fingers == 0
    assert abs(lifted.rise_m) < 2e-3


@pytest.mark.parametrize("color", PAINTS)
def test_every_colour_can_be_laid(cell: Cell, color: str) -> None:
    world = world_with(cell, PlacedObject("it", "cube", color, 0.5, 0.0, 0.0))
    rgba = world.model.geom_rgba[world.model.body("it").geomadr[0]]
    assert rgba[:3] == pytest.approx(PAINTS[color], abs=1e-5)


def test_unknown_kinds_and_colours_are_named(cell: Cell) -> None:
    with pytest.raises(UnknownNameError, match="pear"):
        extent_of("pear")
    with pytest.raises(UnknownNameError, match="beige"):
        world_with(cell, PlacedObject("it", "cube", "beige", 0.5, 0.0, 0.0))

"""Boards, containers and obstacles as MJCF."""

import xml.etree.ElementTree as ET

import numpy as np

from spatialbot_sim.objects.mjcf import UNTOUCHED, add_geom, numbers, paint, yaw_quaternion
from spatialbot_sim.objects.shapes import GRASP_CONTACT
from spatialbot_sim.objects.types import (
    BOARD_HALF_M,
    PlacedBoard,
    PlacedContainer,
    PlacedObstacle,
)

_BRICK_RGB = (0.60, 0.30, 0.22)
_PILLAR_RGB = (0.30, 0.32, 0.36)
_STRIPE_RGB = (0.95, 0.93, 0.86)


def add_board(worldbody: ET.Element, board: PlacedBoard, top_z_m: float) -> None:
    """Append a static wooden board lying on the plane z = `top_z_m`."""
    body = _body(worldbody, board.name, board, top_z_m + BOARD_HALF_M[2])
    add_geom(body, "box", BOARD_HALF_M, {"material": "wood"})
    # a groove makes the slab look like a cutting board; drawn, never touched
    groove = {"material": "groove", "contype": "0", "conaffinity": "0"}
    ring = np.array(BOARD_HALF_M[:2]) - 0.014
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            size = [ring[0], ring[1], 0.0004]
            size[axis] = 0.0015
            position = [0.0, 0.0, BOARD_HALF_M[2]]
            position[axis] = sign * ring[axis]
            add_geom(body, "box", size, groove, position)


def add_container(worldbody: ET.Element, container: PlacedContainer, top_z_m: float) -> None:
    """Append a static box, tray or stand on the plane z = `top_z_m`.

    Raises:
        UnknownNameError: its colour does not exist.
    """
    body = _body(worldbody, container.name, container, top_z_m)
    color = {"rgba": paint(container.color)}
    half, floor_m = container.half_m, container.floor_z_m
    add_geom(body, "box", [half[0], half[1], floor_m / 2], color, [0.0, 0.0, floor_m / 2])
    wall_m = half[0] - container.inner_half_m[0]
    if wall_m > 0:
        _add_frame(body, half[:2], wall_m / 2, half[2], color)


def add_obstacle(worldbody: ET.Element, obstacle: PlacedObstacle, top_z_m: float) -> None:
    """Append a free-standing pillar or wall that moves or tips over when it is hit."""
    half = [size_m / 2 for size_m in obstacle.size_m]
    body = _body(worldbody, obstacle.name, obstacle, top_z_m + half[2])
    ET.SubElement(body, "freejoint", name=f"{obstacle.name}_joint")
    # as light as foam, so that the arm survives what the judge does not forgive
    contact = {**GRASP_CONTACT, "density": "250"}
    stripe = {**UNTOUCHED, "rgba": numbers(*_STRIPE_RGB, 1.0)}
    if obstacle.kind == "wall":
        add_geom(body, "box", half, {**contact, "rgba": numbers(*_BRICK_RGB, 1.0)})
        at_m, band = [0.0, 0.0, 0.5 * half[2]], [half[0] + 4e-4, half[1] + 4e-4, 0.12 * half[2]]
        add_geom(body, "box", band, stripe, at_m)
        return
    add_geom(body, "cylinder", [half[0], half[2]], {**contact, "rgba": numbers(*_PILLAR_RGB, 1.0)})
    for level in (-0.4, 0.4):
        at_m = [0.0, 0.0, level * half[2]]
        add_geom(body, "cylinder", [half[0] + 4e-4, 0.14 * half[2]], stripe, at_m)


def _body(
    worldbody: ET.Element,
    name: str,
    thing: PlacedBoard | PlacedContainer | PlacedObstacle,
    z_m: float,
) -> ET.Element:
    return ET.SubElement(
        worldbody,
        "body",
        name=name,
        pos=numbers(thing.x_m, thing.y_m, z_m),
        quat=yaw_quaternion(thing.yaw_rad),
    )


def _add_frame(
    body: ET.Element,
    half_xy_m: np.ndarray,
    half_width_m: float,
    half_height_m: float,
    look: dict[str, str],
) -> None:
    """Four bars along the edges of a rectangle, their outer faces on it."""
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            size = [half_xy_m[0], half_xy_m[1], half_height_m]
            size[axis] = half_width_m
            position = [0.0, 0.0, half_height_m]
            position[axis] = sign * (half_xy_m[axis] - half_width_m)
            add_geom(body, "box", size, look, position)

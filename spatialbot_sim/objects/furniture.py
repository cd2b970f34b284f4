"""Boards, boxes, marked areas, stands and obstacles as MJCF."""

import xml.etree.ElementTree as ET

import numpy as np

from spatialbot_sim.objects.kinds import PAINTS
from spatialbot_sim.objects.meshes import lathe
from spatialbot_sim.objects.mjcf import UNTOUCHED, add_geom, add_mesh, numbers, yaw_quaternion
from spatialbot_sim.objects.placed import (
    BOARD_HALF_M,
    BOX_FLOOR_M,
    BOX_WALL_M,
    PlacedBoard,
    PlacedHolder,
    PlacedObstacle,
)
from spatialbot_sim.objects.shapes import GRASP_CONTACT

CARTON_HALF_M = 0.024
TALL_BOTTLE_RADIUS_M = 0.026
_TAPE_HALF_M = 0.004
_CARTON_RGB = (0.60, 0.45, 0.30)
_GLASS_RGB = (0.10, 0.30, 0.24)
_LABEL_RGB = (0.90, 0.88, 0.80)


def add_board(worldbody: ET.Element, board: PlacedBoard, top_z_m: float) -> None:
    """Append a static wooden board lying on the plane z = `top_z_m`."""
    half_m = board.half_m
    body = _body(worldbody, board.name, board, top_z_m + BOARD_HALF_M[2])
    add_geom(body, "box", list(half_m), {"material": "wood"})
    # a groove makes the slab look like a cutting board; drawn, never touched
    groove = {"material": "groove", "contype": "0", "conaffinity": "0"}
    ring = half_m[:2] - 0.014
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            size = [ring[0], ring[1], 0.0004]
            size[axis] = 0.0015
            position = [0.0, 0.0, BOARD_HALF_M[2]]
            position[axis] = sign * ring[axis]
            add_geom(body, "box", size, groove, position)


def add_holder(worldbody: ET.Element, holder: PlacedHolder, top_z_m: float) -> None:
    """Append a static box, marked area or stand on the plane z = `top_z_m`."""
    body = _body(worldbody, holder.name, holder, top_z_m)
    color = {"rgba": numbers(*PAINTS[holder.color], 1.0)}
    half = holder.half_m
    if holder.kind == "stand":
        add_geom(body, "box", list(half), color, [0.0, 0.0, half[2]])
    elif holder.kind == "box":
        floor = [half[0], half[1], BOX_FLOOR_M / 2]
        add_geom(body, "box", floor, color, [0.0, 0.0, BOX_FLOOR_M / 2])
        _add_frame(body, half[:2], BOX_WALL_M / 2, half[2], color)
    else:
        _add_frame(body, half[:2], _TAPE_HALF_M, 0.0003, {**UNTOUCHED, **color})


def add_obstacle(
    worldbody: ET.Element, asset: ET.Element, obstacle: PlacedObstacle, top_z_m: float
) -> None:
    """Append a free tall thing that tips over when it is hit."""
    half = obstacle.height_m / 2
    body = _body(worldbody, obstacle.name, obstacle, top_z_m + half)
    ET.SubElement(body, "freejoint", name=f"{obstacle.name}_joint")
    if obstacle.kind == "carton":
        size = [CARTON_HALF_M, CARTON_HALF_M, half]
        look = {"rgba": numbers(*_CARTON_RGB, 1.0)}
        add_geom(body, "box", size, {"mass": "0.15", **look, **GRASP_CONTACT})
        tape = [CARTON_HALF_M + 4e-4, 0.006, half + 4e-4]
        add_geom(body, "box", tape, {**UNTOUCHED, "rgba": numbers(*_LABEL_RGB, 1.0)})
        return
    radius = TALL_BOTTLE_RADIUS_M
    hidden = {"group": "3", "mass": "0.15", **GRASP_CONTACT}
    add_geom(body, "cylinder", [radius, half], hidden)
    profile = [
        (0.0, -half),
        (radius, -half),
        (radius, 0.30 * half),
        (0.4 * radius, 0.62 * half),
        (0.4 * radius, half),
        (0.0, half),
    ]
    add_mesh(asset, f"{obstacle.name}_lathe", lathe(profile, segments=18))
    glass = {**UNTOUCHED, "rgba": numbers(*_GLASS_RGB, 1.0), "group": "2"}
    ET.SubElement(body, "geom", glass, type="mesh", mesh=f"{obstacle.name}_lathe")
    label = {**UNTOUCHED, "rgba": numbers(*_LABEL_RGB, 1.0)}
    add_geom(body, "cylinder", [radius + 5e-4, 0.22 * half], label, [0.0, 0.0, -0.25 * half])


def _body(
    worldbody: ET.Element, name: str, thing: PlacedBoard | PlacedHolder | PlacedObstacle, z_m: float
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

"""Things that stand on the table: cubes, balls, cups and cutting boards, as MJCF elements.

All are procedural and low-poly, so nothing has to be shipped and rendering stays cheap.
Sizes fit the FR3 hand: it opens to 80 mm, so nothing that is to be grasped is wider than
60 mm across the fingers. Geom group 2 is drawn; group 3 only collides.
"""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import UnknownNameError

ObjectKind = Literal["cube", "ball", "cup"]
Side = Literal["left", "right"]

COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.80, 0.07, 0.07),
    "green": (0.08, 0.55, 0.16),
    "blue": (0.08, 0.20, 0.78),
    "yellow": (0.95, 0.80, 0.04),
}
"""Saturated colours that neither the table, the boards nor the robot have."""

CUBE_HALF_M = 0.020
BALL_RADIUS_M = 0.022
CUP_RADIUS_M = 0.026
CUP_HEIGHT_M = 0.050
CUP_WALL_M = 0.004
BOARD_HALF_M = (0.10, 0.08, 0.006)
"""Half extents of a cutting board along its own x (away from the robot), y and z."""

# measured to hold reliably in the hand: condim 4 adds torsional friction, the stiff solref
# keeps the object from sinking into the pads
_GRASP_CONTACT = {"friction": "1 .01 .001", "condim": "4", "solref": ".004 1"}
# rolling friction stops a ball that is let go with 5 cm/s within 6 mm, with 20 cm/s within 34
_BALL_CONTACT = {"friction": "1 .01 .003", "condim": "6", "solref": ".004 1"}

_REST_HEIGHT_M: dict[str, float] = {
    "cube": CUBE_HALF_M,
    "ball": BALL_RADIUS_M,
    "cup": CUP_HEIGHT_M / 2,
}
_CUP_SEGMENTS = 14


@dataclass(frozen=True, slots=True)
class PlacedObject:
    """A graspable object and where it starts.

    Attributes:
        name: MuJoCo body name, unique in its scene.
        x_m, y_m: centre on the table in the base frame.
        yaw_rad: rotation about the vertical.
    """

    name: str
    kind: ObjectKind
    color: str
    x_m: float
    y_m: float
    yaw_rad: float

    @property
    def rest_height_m(self) -> float:
        """Height of the body's centre above the surface it stands on."""
        return rest_height_m(self.kind)


@dataclass(frozen=True, slots=True)
class PlacedBoard:
    """A cutting board; `side` is as seen by the camera (left = base -y)."""

    name: str
    side: Side
    x_m: float
    y_m: float
    yaw_rad: float


def rest_height_m(kind: str) -> float:
    """Height of a body's centre above the surface it stands on.

    Raises:
        UnknownNameError: no such kind of object.
    """
    if kind not in _REST_HEIGHT_M:
        raise UnknownNameError("object kind", kind, _REST_HEIGHT_M)
    return _REST_HEIGHT_M[kind]


def add_object(
    worldbody: ET.Element, asset: ET.Element, item: PlacedObject, top_z_m: float
) -> None:
    """Append a free body standing on the plane z = `top_z_m`."""
    body = ET.SubElement(
        worldbody,
        "body",
        name=item.name,
        pos=_numbers(item.x_m, item.y_m, top_z_m + item.rest_height_m),
        quat=_yaw_quaternion(item.yaw_rad),
    )
    ET.SubElement(body, "freejoint", name=f"{item.name}_joint")
    rgba = _numbers(*COLORS[item.color], 1.0)
    if item.kind == "cube":
        _geom(body, "box", [CUBE_HALF_M] * 3, {"mass": "0.05", "rgba": rgba, **_GRASP_CONTACT})
    elif item.kind == "ball":
        _geom(body, "sphere", [BALL_RADIUS_M], {"mass": "0.04", "rgba": rgba, **_BALL_CONTACT})
    else:
        _add_cup(body, asset, item.name, rgba)


def add_board(worldbody: ET.Element, board: PlacedBoard, top_z_m: float) -> None:
    """Append a static wooden board lying on the plane z = `top_z_m`."""
    body = ET.SubElement(
        worldbody,
        "body",
        name=board.name,
        pos=_numbers(board.x_m, board.y_m, top_z_m + BOARD_HALF_M[2]),
        quat=_yaw_quaternion(board.yaw_rad),
    )
    _geom(body, "box", BOARD_HALF_M, {"material": "wood"})
    # a groove makes the slab look like a cutting board; drawn, never touched
    groove = {"material": "groove", "contype": "0", "conaffinity": "0"}
    ring = np.array(BOARD_HALF_M[:2]) - 0.014
    for axis in (0, 1):
        for sign in (-1.0, 1.0):
            size = [ring[0], ring[1], 0.0004]
            size[axis] = 0.0015
            position = [0.0, 0.0, BOARD_HALF_M[2]]
            position[axis] = sign * ring[axis]
            _geom(body, "box", size, groove, position)


def _add_cup(body: ET.Element, asset: ET.Element, name: str, rgba: str) -> None:
    """A teacup without saucer: a ring of boxes and a floor collide, a lathe mesh is drawn."""
    half = CUP_HEIGHT_M / 2
    mid_radius = CUP_RADIUS_M - CUP_WALL_M / 2
    # chord of one segment at the outer wall, so that neighbours meet
    half_chord = CUP_RADIUS_M * np.tan(np.pi / _CUP_SEGMENTS)
    hidden = {"group": "3", "rgba": rgba, **_GRASP_CONTACT}
    wall_mass = f"{0.05 / _CUP_SEGMENTS:.6f}"
    for k in range(_CUP_SEGMENTS):
        angle = 2 * np.pi * k / _CUP_SEGMENTS
        _geom(
            body,
            "box",
            [CUP_WALL_M / 2, half_chord, half],
            {"quat": _yaw_quaternion(angle), "mass": wall_mass, **hidden},
            [mid_radius * np.cos(angle), mid_radius * np.sin(angle), 0.0],
        )
    _geom(body, "cylinder", [CUP_RADIUS_M - CUP_WALL_M, 0.002], hidden, [0, 0, 0.002 - half])
    vertices, faces = _lathe_mesh(
        [
            (0.0, -half),
            (CUP_RADIUS_M - 0.003, -half),
            (CUP_RADIUS_M, -half + 0.006),
            (CUP_RADIUS_M, half),
            (CUP_RADIUS_M - CUP_WALL_M, half),
            (CUP_RADIUS_M - CUP_WALL_M, -half + 0.004),
            (0.0, -half + 0.004),
        ],
        segments=20,
    )
    ET.SubElement(
        asset,
        "mesh",
        name=f"{name}_lathe",
        vertex=" ".join(f"{v:.6f}" for v in vertices.ravel()),
        face=" ".join(str(i) for i in faces.ravel()),
        inertia="shell",
    )
    drawn = {"contype": "0", "conaffinity": "0", "mass": "0", "rgba": rgba}
    ET.SubElement(body, "geom", drawn, type="mesh", mesh=f"{name}_lathe", group="2")
    # the handle points along +x, out of the way of fingers that close along y
    loop = [(0.024, 0.014), (0.037, 0.012), (0.041, 0.0), (0.037, -0.012), (0.024, -0.014)]
    for (x0, z0), (x1, z1) in itertools.pairwise(loop):
        ends = _numbers(x0, 0, z0, x1, 0, z1)
        ET.SubElement(body, "geom", drawn, type="capsule", size="0.0032", fromto=ends, group="2")


def _lathe_mesh(
    profile: list[tuple[float, float]], segments: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Revolve a closed (radius, z) profile about z: vertices (V, 3) and faces (F, 3), outward."""
    rings = [(r, z) for r, z in profile if r > 0]
    angles = 2 * np.pi * np.arange(segments) / segments
    ring_vertices = [
        np.column_stack([r * np.cos(angles), r * np.sin(angles), np.full(segments, z)])
        for r, z in rings
    ]
    first_pole, last_pole = len(rings) * segments, len(rings) * segments + 1
    poles = np.array([[0.0, 0.0, profile[0][1]], [0.0, 0.0, profile[-1][1]]])
    faces: list[tuple[int, int, int]] = []
    for k in range(segments):
        n = (k + 1) % segments
        faces.append((first_pole, n, k))
        for ring in range(len(rings) - 1):
            a, b = ring * segments, (ring + 1) * segments
            faces += [(a + k, a + n, b + n), (a + k, b + n, b + k)]
        last = (len(rings) - 1) * segments
        faces.append((last_pole, last + k, last + n))
    return np.vstack([*ring_vertices, poles]), np.array(faces)


def _geom(
    body: ET.Element,
    shape: str,
    size: Sequence[float],
    attributes: Mapping[str, str],
    position: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    drawn = {"group": "2", **attributes}
    ET.SubElement(body, "geom", drawn, type=shape, size=_numbers(*size), pos=_numbers(*position))


def _numbers(*values: float) -> str:
    return " ".join(f"{float(v):.6f}" for v in values)


def _yaw_quaternion(yaw_rad: float) -> str:
    return _numbers(np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2))

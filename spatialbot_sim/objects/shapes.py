"""Graspable objects as MJCF: what is drawn, and what collides."""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spatialbot_sim.objects.grasps import banana_middle_m
from spatialbot_sim.objects.kinds import (
    BALL_RADIUS_M,
    BANANA_BEND_M,
    BANANA_HALF_ANGLE_RAD,
    BANANA_RADIUS_M,
    BOTTLE_HEIGHT_M,
    BOTTLE_NECK_M,
    BOTTLE_RADIUS_M,
    CUBE_HALF_M,
    CUP_HEIGHT_M,
    CUP_RADIUS_M,
    CUP_WALL_M,
    PAINTS,
    scales_of,
)
from spatialbot_sim.objects.meshes import Mesh, lathe, sweep, tube
from spatialbot_sim.objects.mjcf import (
    UNTOUCHED,
    add_geom,
    add_mesh,
    add_speckles,
    numbers,
    paint,
    yaw_quaternion,
)
from spatialbot_sim.objects.types import PlacedObject

# measured to hold reliably in the hand: condim 4 adds torsional friction, the stiff solref
# keeps the object from sinking into the pads
GRASP_CONTACT = {"friction": "1 .01 .001", "condim": "4", "solref": ".004 1"}
# rolling friction stops a ball that is let go with 5 cm/s within 6 mm, with 20 cm/s within 34
ROLLING_CONTACT = {"friction": "1 .01 .003", "condim": "6", "solref": ".004 1"}

_CUP_SEGMENTS = 14
_LABEL_RGB = (0.90, 0.88, 0.80)
_SPOT_RGB = (0.35, 0.22, 0.06)
_CAP_LOOK = {**UNTOUCHED, "rgba": "0.10 0.10 0.12 1"}


@dataclass(frozen=True, slots=True)
class _Draft:
    """Where an object's geoms go, and how they look.

    Attributes:
        look: colour or material attributes of drawn geoms.
        width, height: size relative to the nominal one of the kind.
    """

    body: ET.Element
    asset: ET.Element
    item: PlacedObject
    look: dict[str, str]
    width: float
    height: float

    def collide(self, shape: str, size: list[float], contact: dict[str, str], **more: str) -> None:
        """A geom that only collides."""
        attributes = {"pos": "0 0 0", "group": "3", **self.color, **contact, **more}
        ET.SubElement(self.body, "geom", attributes, type=shape, size=numbers(*size))

    def both(self, shape: str, size: list[float], contact: dict[str, str], mass: str) -> None:
        """A geom that is drawn and collides."""
        add_geom(self.body, shape, size, {"mass": mass, **self.look, **contact})

    def draw_mesh(self, name: str, mesh: Mesh, **look: str) -> None:
        """Show a mesh of this object's own."""
        asset_name = f"{self.item.name}_{name}"
        add_mesh(self.asset, asset_name, mesh)
        attributes = {**UNTOUCHED, **(look or self.look), "group": "2"}
        ET.SubElement(self.body, "geom", attributes, type="mesh", mesh=asset_name)

    @property
    def color(self) -> dict[str, str]:
        """The plain colour."""
        return {"rgba": paint(self.item.color)}


def add_object(
    worldbody: ET.Element, asset: ET.Element, item: PlacedObject, top_z_m: float
) -> None:
    """Append a free body standing `item.support_z_m` above the plane z = `top_z_m`.

    Raises:
        UnknownNameError: its kind, size or colour does not exist.
    """
    width, height = scales_of(item.kind, item.size)
    z_m = top_z_m + item.support_z_m + item.rest_height_m
    body = ET.SubElement(
        worldbody,
        "body",
        name=item.name,
        pos=numbers(item.x_m, item.y_m, z_m),
        quat=yaw_quaternion(item.yaw_rad),
    )
    ET.SubElement(body, "freejoint", name=f"{item.name}_joint")
    look = {"rgba": paint(item.color)}
    if item.kind == "banana":
        add_speckles(asset, f"{item.name}_look", PAINTS[item.color], _SPOT_RGB, 0.04)
        look = {"material": f"{item.name}_look"}
    _FILL[item.kind](_Draft(body, asset, item, look, width, height))


def _fill_cube(draft: _Draft) -> None:
    half_m = CUBE_HALF_M * draft.width
    draft.both("box", [half_m] * 3, GRASP_CONTACT, "0.05")


def _fill_ball(draft: _Draft) -> None:
    draft.both("sphere", [BALL_RADIUS_M * draft.width], ROLLING_CONTACT, "0.04")


def _fill_cup(draft: _Draft) -> None:
    """A teacup without saucer: a ring of boxes and a floor collide, a lathe mesh is drawn."""
    half, radius = CUP_HEIGHT_M / 2 * draft.height, CUP_RADIUS_M * draft.width
    mid_radius = radius - CUP_WALL_M / 2
    # chord of one segment at the outer wall, so that neighbours meet
    half_chord = radius * np.tan(np.pi / _CUP_SEGMENTS)
    wall_mass = f"{0.05 / _CUP_SEGMENTS:.6f}"
    for k in range(_CUP_SEGMENTS):
        angle = 2 * np.pi * k / _CUP_SEGMENTS
        draft.collide(
            "box",
            [CUP_WALL_M / 2, half_chord, half],
            GRASP_CONTACT,
            quat=yaw_quaternion(angle),
            mass=wall_mass,
            pos=numbers(mid_radius * np.cos(angle), mid_radius * np.sin(angle), 0.0),
        )
    draft.collide(
        "cylinder", [radius - CUP_WALL_M, 0.002], GRASP_CONTACT, pos=numbers(0, 0, 0.002 - half)
    )
    profile = [
        (0.0, -half),
        (radius - 0.003, -half),
        (radius, -half + 0.006),
        (radius, half),
        (radius - CUP_WALL_M, half),
        (radius - CUP_WALL_M, -half + 0.004),
        (0.0, -half + 0.004),
    ]
    draft.draw_mesh("lathe", lathe(profile, segments=20))
    # the handle points along +x, out of the way of fingers that close along y
    reach, rise = radius - CUP_RADIUS_M, half / 0.025
    loop = [(0.024, 0.014), (0.037, 0.012), (0.041, 0.0), (0.037, -0.012), (0.024, -0.014)]
    ends = [(x + reach, z * rise) for x, z in loop]
    for (x0, z0), (x1, z1) in itertools.pairwise(ends):
        look = {**UNTOUCHED, **draft.look, "group": "2", "fromto": numbers(x0, 0, z0, x1, 0, z1)}
        ET.SubElement(draft.body, "geom", look, type="capsule", size="0.0032")


def _fill_banana(draft: _Draft) -> None:
    """A chain of capsules collides, one swept tube is drawn; it bends about its own -y."""
    scale = draft.width
    angles = np.linspace(-BANANA_HALF_ANGLE_RAD, BANANA_HALF_ANGLE_RAD, 11)
    bend_m = BANANA_BEND_M * scale
    path_m = np.column_stack(
        [
            bend_m * np.sin(angles),
            bend_m * np.cos(angles) - bend_m + banana_middle_m(scale),
            np.zeros(len(angles)),
        ]
    )
    taper = np.sqrt(1.0 - 0.72 * (angles / BANANA_HALF_ANGLE_RAD) ** 4)
    radii_m = BANANA_RADIUS_M * scale * taper
    # two of each three points do for what collides
    for k in range(0, len(angles) - 2, 2):
        ends = numbers(*path_m[k], *path_m[k + 2])
        ET.SubElement(
            draft.body, "geom", {"group": "3", "mass": "0.012", **draft.color},
            **ROLLING_CONTACT, type="capsule", size=numbers(radii_m[k + 1]), fromto=ends,
        )  # fmt: skip
    draft.draw_mesh("tube", sweep(path_m, radii_m, segments=9))
    for end, radius_m in ((0, 0.0062), (-1, 0.0048)):
        size = [radius_m * scale]
        add_geom(draft.body, "sphere", size, _CAP_LOOK, path_m[end].tolist())


def _fill_bottle(draft: _Draft) -> None:
    half, radius = BOTTLE_HEIGHT_M / 2 * draft.height, BOTTLE_RADIUS_M * draft.width
    body_top = half - BOTTLE_NECK_M
    neck = 0.45 * radius
    # a little more weight at the bottom, as in a bottle with a rest in it
    low = (half + body_top) / 2
    for mass, height, middle in (("0.03", low / 2, -half + low / 2), ("0.03", low, body_top - low)):
        draft.collide("cylinder", [radius, height], GRASP_CONTACT, mass=mass,
                      pos=numbers(0, 0, middle))  # fmt: skip
    draft.collide("cylinder", [neck, BOTTLE_NECK_M / 2], GRASP_CONTACT, mass="0.002",
                  pos=numbers(0, 0, half - BOTTLE_NECK_M / 2))  # fmt: skip
    profile = [
        (0.0, -half),
        (radius, -half),
        (radius, body_top),
        (0.8 * radius, body_top + 0.005),
        (neck, body_top + 0.010),
        (neck, half - 0.006),
        (0.0, half - 0.006),
    ]
    draft.draw_mesh("lathe", lathe(profile, segments=18))
    label = tube(radius + 6e-4, -0.7 * half, -half + 0.7 * (half + body_top), segments=18)
    draft.draw_mesh("label", label, rgba=numbers(*_LABEL_RGB, 1.0))
    add_geom(draft.body, "cylinder", [neck + 0.001, 0.004], _CAP_LOOK, [0, 0, half - 0.004])


_FILL: dict[str, Callable[[_Draft], None]] = {
    "cube": _fill_cube,
    "ball": _fill_ball,
    "cup": _fill_cup,
    "banana": _fill_banana,
    "bottle": _fill_bottle,
}

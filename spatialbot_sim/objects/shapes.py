"""Graspable objects as MJCF: what is drawn, and what collides."""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_sim.objects.grasps import banana_middle_m
from spatialbot_sim.objects.kinds import (
    BALL_RADIUS_M,
    BANANA_BEND_M,
    BANANA_HALF_ANGLE_RAD,
    BANANA_RADIUS_M,
    BOTTLE_NECK_M,
    CUBE_HALF_M,
    CUP_RADIUS_M,
    CUP_WALL_M,
    PAINTS,
)
from spatialbot_sim.objects.meshes import lathe, sweep, tube
from spatialbot_sim.objects.mjcf import (
    UNTOUCHED,
    add_geom,
    add_mesh,
    add_speckles,
    numbers,
    yaw_quaternion,
)
from spatialbot_sim.objects.placed import PlacedObject

# measured to hold reliably in the hand: condim 4 adds torsional friction, the stiff solref
# keeps the object from sinking into the pads
GRASP_CONTACT = {"friction": "1 .01 .001", "condim": "4", "solref": ".004 1"}
# a cylinder meets a flat pad in one line and would sink 5 mm into it at that stiffness (measured)
CYLINDER_CONTACT = {**GRASP_CONTACT, "solref": ".002 1", "solimp": ".98 .999 .001"}
# rolling friction stops a ball that is let go with 5 cm/s within 6 mm, with 20 cm/s within 34
ROLLING_CONTACT = {"friction": "1 .01 .003", "condim": "6", "solref": ".004 1"}

_CUP_SEGMENTS = 14
_BAND_RGB = (0.97, 0.97, 0.95)
_DARK_RGB = (0.10, 0.10, 0.12)


@dataclass(frozen=True, slots=True)
class _Draft:
    """Where an object's geoms go, and how they look.

    Attributes:
        look: colour or material attributes of drawn geoms.
        solid: False for a picture of the object, which nothing can touch.
    """

    body: ET.Element
    asset: ET.Element
    item: PlacedObject
    prefix: str
    look: dict[str, str]
    group: str
    solid: bool

    def collide(self, shape: str, size: list[float], contact: dict[str, str], **more: str) -> None:
        """A geom that only collides."""
        if self.solid:
            position = more.pop("pos", "0 0 0")
            attributes = {"group": "3", **self.color, **contact, **more}
            ET.SubElement(
                self.body, "geom", attributes, type=shape, size=numbers(*size), pos=position
            )

    def both(self, shape: str, size: list[float], contact: dict[str, str], mass: str) -> None:
        """A geom that is drawn and collides."""
        touch = {"mass": mass, **self.look, **contact} if self.solid else self.drawn
        add_geom(self.body, shape, size, {**touch, "group": self.group})

    def draw_mesh(self, name: str, **look: str) -> None:
        """Show a mesh asset."""
        attributes = {**UNTOUCHED, **(look or self.look), "group": self.group}
        ET.SubElement(self.body, "geom", attributes, type="mesh", mesh=f"{self.prefix}_{name}")

    @property
    def color(self) -> dict[str, str]:
        """The plain colour."""
        return {"rgba": numbers(*PAINTS[self.item.color], 1.0)}

    @property
    def drawn(self) -> dict[str, str]:
        """Attributes of a geom that is drawn only."""
        return {**UNTOUCHED, **self.look, "group": self.group}


def add_object(
    worldbody: ET.Element, asset: ET.Element, item: PlacedObject, top_z_m: float
) -> None:
    """Append a free body standing on the plane z = `top_z_m` + `item.base_z_m`.

    Raises:
        UnknownNameError: its kind or colour does not exist.
    """
    body = _body(worldbody, item, item.name, top_z_m)
    ET.SubElement(body, "freejoint", name=f"{item.name}_joint")
    _fill(body, asset, item, item.name, "2", solid=True)


def add_picture(
    worldbody: ET.Element,
    asset: ET.Element,
    item: PlacedObject,
    name: str,
    top_z_m: float,
    group: str,
) -> None:
    """Append what an object would look like, in a geom group of its own; nothing touches it."""
    body = _body(worldbody, item, name, top_z_m)
    _fill(body, asset, item, name, group, solid=False)


def _body(worldbody: ET.Element, item: PlacedObject, name: str, top_z_m: float) -> ET.Element:
    return ET.SubElement(
        worldbody,
        "body",
        name=name,
        pos=numbers(item.x_m, item.y_m, top_z_m + item.base_z_m + item.rest_height_m),
        quat=yaw_quaternion(item.yaw_rad),
    )


def _fill(
    body: ET.Element, asset: ET.Element, item: PlacedObject, prefix: str, group: str, solid: bool
) -> None:
    if item.color not in PAINTS:
        raise UnknownNameError("colour", item.color, PAINTS)
    rgb = PAINTS[item.color]
    look = {"rgba": numbers(*rgb, 1.0)}
    if item.pattern == "speckled" or item.kind == "banana":
        dark = (0.35, 0.22, 0.06) if item.kind == "banana" else _BAND_RGB
        add_speckles(asset, f"{prefix}_look", rgb, dark, 0.04)
        look = {"material": f"{prefix}_look"}
    _FILL[item.kind](_Draft(body, asset, item, prefix, look, group, solid))


def _fill_cube(draft: _Draft) -> None:
    half_m = CUBE_HALF_M * draft.item.width_scale
    draft.both("box", [half_m] * 3, GRASP_CONTACT, "0.05")


def _fill_ball(draft: _Draft) -> None:
    draft.both("sphere", [BALL_RADIUS_M * draft.item.width_scale], ROLLING_CONTACT, "0.04")


def _fill_cup(draft: _Draft) -> None:
    """A teacup without saucer: a ring of boxes and a floor collide, a lathe mesh is drawn."""
    half, radius = draft.item.extent.height_m / 2, CUP_RADIUS_M * draft.item.width_scale
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
    add_mesh(draft.asset, f"{draft.prefix}_lathe", lathe(profile, segments=20))
    draft.draw_mesh("lathe")
    _draw_band(draft, radius, 0.15 * half, 0.60 * half)
    # the handle points along +x, out of the way of fingers that close along y
    reach, rise = radius - CUP_RADIUS_M, half / 0.025
    loop = [(0.024, 0.014), (0.037, 0.012), (0.041, 0.0), (0.037, -0.012), (0.024, -0.014)]
    ends = [(x + reach, z * rise) for x, z in loop]
    for (x0, z0), (x1, z1) in itertools.pairwise(ends):
        ET.SubElement(
            draft.body, "geom", draft.drawn, type="capsule", size="0.0032",
            fromto=numbers(x0, 0, z0, x1, 0, z1),
        )  # fmt: skip


def _fill_banana(draft: _Draft) -> None:
    """A chain of capsules collides, one swept tube is drawn; it bends about its own -y."""
    scale = draft.item.width_scale
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
        if draft.solid:
            ET.SubElement(
                draft.body, "geom", {"group": "3", "mass": "0.012", **draft.color},
                **ROLLING_CONTACT, type="capsule", size=numbers(radii_m[k + 1]), fromto=ends,
            )  # fmt: skip
    add_mesh(draft.asset, f"{draft.prefix}_tube", sweep(path_m, radii_m, segments=9))
    draft.draw_mesh("tube")
    for end, radius_m in ((0, 0.0062), (-1, 0.0048)):
        size = [radius_m * scale]
        add_geom(draft.body, "sphere", size, _dark(draft), path_m[end].tolist())


def _fill_bottle(draft: _Draft) -> None:
    extent = draft.item.extent
    half, radius = extent.height_m / 2, extent.width_m / 2
    body_top = half - BOTTLE_NECK_M
    neck = 0.45 * radius
    # a little more weight at the bottom, as in a bottle with a rest in it
    low = (half + body_top) / 2
    for mass, height, middle in (("0.03", low / 2, -half + low / 2), ("0.03", low, body_top - low)):
        draft.collide("cylinder", [radius, height], CYLINDER_CONTACT, mass=mass,
                      pos=numbers(0, 0, middle))  # fmt: skip
    draft.collide("cylinder", [neck, BOTTLE_NECK_M / 2], CYLINDER_CONTACT, mass="0.002",
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
    add_mesh(draft.asset, f"{draft.prefix}_lathe", lathe(profile, segments=18))
    draft.draw_mesh("lathe")
    _draw_band(draft, radius, -0.55 * half, 0.15 * half)
    add_geom(draft.body, "cylinder", [neck + 0.001, 0.004], _dark(draft), [0, 0, half - 0.004])


def _fill_can(draft: _Draft) -> None:
    extent = draft.item.extent
    half, radius = extent.height_m / 2, extent.width_m / 2
    draft.collide("cylinder", [radius, half], CYLINDER_CONTACT, mass="0.06")
    profile = [
        (0.0, -half),
        (radius - 0.003, -half),
        (radius, -half + 0.003),
        (radius, half - 0.003),
        (radius - 0.003, half),
        (0.0, half - 0.001),
    ]
    add_mesh(draft.asset, f"{draft.prefix}_lathe", lathe(profile, segments=18))
    draft.draw_mesh("lathe")
    _draw_band(draft, radius, -0.5 * half, 0.5 * half)


def _dark(draft: _Draft) -> dict[str, str]:
    return {**UNTOUCHED, "rgba": numbers(*_DARK_RGB, 1.0), "group": draft.group}


def _draw_band(draft: _Draft, radius_m: float, low_m: float, high_m: float) -> None:
    if draft.item.pattern != "banded":
        return
    # an open ring: the inside of a cup must stay visible
    band = tube(radius_m + 6e-4, low_m, high_m, segments=20)
    add_mesh(draft.asset, f"{draft.prefix}_band", band)
    rgb = _BAND_RGB if draft.item.color != "white" else (0.30, 0.45, 0.75)
    draft.draw_mesh("band", rgba=numbers(*rgb, 1.0))


_FILL: dict[str, Callable[[_Draft], None]] = {
    "cube": _fill_cube,
    "ball": _fill_ball,
    "cup": _fill_cup,
    "banana": _fill_banana,
    "bottle": _fill_bottle,
    "can": _fill_can,
}

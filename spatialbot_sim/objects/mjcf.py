"""Small helpers that write MJCF elements. Geom group 2 is drawn; group 3 only collides."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

import numpy as np

from spatialbot_sim.objects.meshes import Mesh

UNTOUCHED: Mapping[str, str] = {"contype": "0", "conaffinity": "0", "mass": "0"}
"""Attributes of what is drawn and never touched."""


def add_geom(
    body: ET.Element,
    shape: str,
    size: Sequence[float],
    attributes: Mapping[str, str],
    position: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    """Append a primitive, drawn unless the attributes say another group."""
    drawn = {"group": "2", **attributes}
    ET.SubElement(body, "geom", drawn, type=shape, size=numbers(*size), pos=numbers(*position))


def add_mesh(asset: ET.Element, name: str, mesh: Mesh) -> None:
    """Append a mesh asset."""
    ET.SubElement(
        asset,
        "mesh",
        name=name,
        vertex=" ".join(f"{v:.6f}" for v in mesh.vertices.ravel()),
        face=" ".join(str(i) for i in mesh.faces.ravel()),
        inertia="shell",
    )


def add_speckles(
    asset: ET.Element, name: str, rgb: Sequence[float], speckle: Sequence[float], share: float
) -> None:
    """Append a material of one colour with dots of another; `share` of the texels are dots."""
    ET.SubElement(
        asset, "texture", name=name, type="cube", builtin="flat", rgb1=numbers(*rgb),
        mark="random", markrgb=numbers(*speckle), random=f"{share}", width="24", height="144",
    )  # fmt: skip
    # whole texels of a small texture stay visible from a metre away
    ET.SubElement(asset, "material", name=name, texture=name, specular="0.3", shininess="0.4")


def numbers(*values: float) -> str:
    """Numbers as MJCF wants them."""
    return " ".join(f"{float(v):.6f}" for v in values)


def yaw_quaternion(yaw_rad: float) -> str:
    """Rotation about the vertical, (w, x, y, z)."""
    return numbers(np.cos(yaw_rad / 2), 0.0, 0.0, np.sin(yaw_rad / 2))

"""Printed decoys: flat sheets that, from the camera's place, look like a thing standing there.

The picture is painted on later, from a rendering of the thing by the sensor's own camera; here a
sheet of the right size is laid down, and the thing itself in a geom group that is never shown.
"""

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects.mjcf import UNTOUCHED, add_geom, numbers
from spatialbot_sim.objects.placed import PlacedObject, Print
from spatialbot_sim.objects.shapes import add_picture

PICTURE_GROUP = 4
"""Geoms of the things that prints show; never part of a frame."""
SHEET_GROUP = 5
"""Geoms of the sheets; part of every frame, but not of a print's own rendering."""
TEXTURE_PX = 256
SHEET_HEIGHT_M = 0.0004
"""Of the sheet above the table: enough for the z buffer to tell them apart."""

_MARGIN_M = 0.008
_HANDLE_M = 0.020


def sheet_rectangle_m(
    item: PlacedObject, T_base_color: NDArray[np.float64], top_z_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper corner (2,) of the table's part that `item` would hide from the camera.

    Args:
        item: the thing that is shown.
        T_base_color: (4, 4) pose of the camera that the illusion is made for.
        top_z_m: height of the table.
    """
    radius_m = item.extent.radius_m + (_HANDLE_M if item.kind == "cup" else 0.0)
    sides = np.array([[sx, sy] for sx in (-1, 1) for sy in (-1, 1)]) * radius_m
    center = np.array([item.x_m, item.y_m])
    eye_m = T_base_color[:3, 3]
    corners = [center + sides]
    # a point at some height hides what lies on the ray behind it
    rise = item.extent.height_m / (eye_m[2] - top_z_m)
    corners.append(eye_m[:2] + (center + sides - eye_m[:2]) / (1.0 - rise))
    points = np.vstack(corners)
    return points.min(axis=0) - _MARGIN_M, points.max(axis=0) + _MARGIN_M


def picture_name(sheet: Print) -> str:
    """Name of the hidden body that a sheet shows."""
    return f"{sheet.name}_picture"


def add_print(
    worldbody: ET.Element,
    asset: ET.Element,
    sheet: Print,
    T_base_color: NDArray[np.float64],
    top_z_m: float,
) -> None:
    """Append a blank sheet named `sheet.name` and, hidden, what it shows."""
    low_m, high_m = sheet_rectangle_m(sheet.item, T_base_color, top_z_m)
    x_m, y_m = (low_m + high_m) / 2
    half_m = (high_m - low_m) / 2
    ET.SubElement(
        asset, "texture", name=sheet.name, type="2d", builtin="flat", rgb1="1 1 1",
        width=str(TEXTURE_PX), height=str(TEXTURE_PX),
    )  # fmt: skip
    # emission: the light is in the picture already
    ET.SubElement(
        asset, "material", name=sheet.name, texture=sheet.name, emission="1", specular="0",
        texuniform="false", texrepeat="1 1",
    )  # fmt: skip
    body = ET.SubElement(
        worldbody,
        "body",
        name=sheet.name,
        pos=numbers(x_m, y_m, top_z_m + SHEET_HEIGHT_M),
    )
    size = [half_m[0], half_m[1], 0.01]
    look = {**UNTOUCHED, "material": sheet.name, "group": str(SHEET_GROUP)}
    add_geom(body, "plane", size, look)
    picture = picture_name(sheet)
    add_picture(worldbody, asset, sheet.item, picture, top_z_m, str(PICTURE_GROUP))

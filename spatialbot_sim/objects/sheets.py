"""Printed sheets as MJCF: flat, untouchable, and as large as the picture needs.

The picture itself is a rendering (see `spatialbot_sim.prints`).
"""

import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects.mjcf import UNTOUCHED, add_geom, numbers
from spatialbot_sim.objects.types import PlacedPrint

SHEET_THICKNESS_M = 0.0004

_MARGIN_M = 0.008
_HANDLE_M = 0.020


def sheet_rectangle_m(
    sheet: PlacedPrint, T_base_color: NDArray[np.float64], top_z_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper corner (2,) of the table's part that the shown object would hide.

    Args:
        sheet: what is shown where.
        T_base_color: (4, 4) pose of the camera that the illusion is made for.
        top_z_m: height of the table.
    """
    item = sheet.shown
    extent_m = item.extent_m
    handle_m = _HANDLE_M if item.kind == "cup" else 0.0
    radius_m = float(np.hypot(*extent_m[:2]) / 2 if item.kind == "cube" else extent_m[:2].max() / 2)
    reach_m = radius_m + handle_m
    corners = np.array([[sx, sy] for sx in (-1, 1) for sy in (-1, 1)]) * reach_m
    corners += (item.x_m, item.y_m)
    eye_m = T_base_color[:3, 3]
    # a point at some height hides what lies on the ray behind it
    rise = (item.support_z_m + extent_m[2]) / (eye_m[2] - top_z_m)
    shadow = eye_m[:2] + (corners - eye_m[:2]) / (1.0 - rise)
    points = np.vstack([corners, shadow])
    return points.min(axis=0) - _MARGIN_M, points.max(axis=0) + _MARGIN_M


def add_sheet(
    worldbody: ET.Element,
    asset: ET.Element,
    sheet: PlacedPrint,
    rectangle_m: tuple[NDArray[np.float64], NDArray[np.float64]],
    top_z_m: float,
    texture_file: str,
) -> None:
    """Append a sheet over the rectangle that shows a texture; image top = far from the robot."""
    low_m, high_m = rectangle_m
    x_m, y_m = (low_m + high_m) / 2
    half_m = (high_m - low_m) / 2
    ET.SubElement(asset, "texture", name=sheet.name, type="2d", file=texture_file)
    # full emission shows the texture as it is: the light is in the picture already
    ET.SubElement(
        asset, "material", name=sheet.name, texture=sheet.name, emission="1", specular="0",
        texuniform="false", texrepeat="1 1",
    )  # fmt: skip
    z_m = top_z_m + SHEET_THICKNESS_M / 2
    body = ET.SubElement(worldbody, "body", name=sheet.name, pos=numbers(x_m, y_m, z_m))
    size = [half_m[0], half_m[1], SHEET_THICKNESS_M / 2]
    add_geom(body, "box", size, {**UNTOUCHED, "material": sheet.name})

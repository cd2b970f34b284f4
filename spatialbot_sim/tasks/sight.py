"""Whether a viewer sees the upper part of every object, past all that is tall."""

import math

from spatialbot_sim.objects import CARTON_HALF_M, TALL_BOTTLE_RADIUS_M
from spatialbot_sim.tasks.scene import Scene

VIEWPOINT_M = (1.25, -0.015, 0.65)
"""Where scenes are meant to be seen from: about where the cell's colour camera stands."""

_SEEN_ABOVE = 0.55
"""Share of an object's height above which it has to be seen."""

_ROOM_M = 0.005
"""Beside what is tall: the camera need not stand exactly there."""


def all_in_sight(scene: Scene) -> bool:
    """True when nothing hides the upper part of any object."""
    tall = [
        (item.name, item.x_m, item.y_m, item.extent.radius_m, item.top_z_m)
        for item in scene.objects
    ]
    for obstacle in scene.obstacles:
        half_m = CARTON_HALF_M if obstacle.kind == "carton" else TALL_BOTTLE_RADIUS_M
        tall.append((obstacle.name, obstacle.x_m, obstacle.y_m, half_m, obstacle.height_m))
    for item in scene.objects:
        z_m = item.base_z_m + _SEEN_ABOVE * item.extent.height_m
        for name, x_m, y_m, radius_m, top_m in tall:
            if name != item.name and _hides((item.x_m, item.y_m, z_m), x_m, y_m, radius_m, top_m):
                return False
    return True


def _hides(
    point_m: tuple[float, float, float], x_m: float, y_m: float, radius_m: float, top_m: float
) -> bool:
    """True when an upright cylinder stands in the line of sight to a point."""
    way_x, way_y = VIEWPOINT_M[0] - point_m[0], VIEWPOINT_M[1] - point_m[1]
    length_m = math.hypot(way_x, way_y)
    off_x, off_y = x_m - point_m[0], y_m - point_m[1]
    along_m = (off_x * way_x + off_y * way_y) / length_m
    aside_m = abs(off_x * way_y - off_y * way_x) / length_m
    sight_m = point_m[2] + (VIEWPOINT_M[2] - point_m[2]) * along_m / length_m
    return along_m > 0 and aside_m < radius_m + _ROOM_M and sight_m < top_m

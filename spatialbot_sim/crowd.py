"""More things on a table than its task needs, so that there is something to count and compare.

Tasks leave room for the hand; a picture that is only looked at does not have to.
"""

import math
from dataclasses import replace

import numpy as np

from spatialbot_sim.objects import PAINTS, PlacedObject
from spatialbot_sim.objects.kinds import ObjectKind
from spatialbot_sim.tasks import Scene
from spatialbot_sim.tasks.sight import all_in_sight

_SALT = 31_607
_X_M = (0.36, 0.74)
_Y_M = (-0.30, 0.30)
_GAP_M = 0.035
_SAME_KIND = 0.5
_ATTEMPTS = 400
_KINDS: tuple[ObjectKind, ...] = ("cube", "ball", "cup", "banana", "bottle", "can")
_COLORS = ("red", "green", "blue", "yellow", "white", "orange", "pink", "purple")
_WIDTH, _HEIGHT = (0.75, 1.2), (0.75, 1.35)


def crowd(scene: Scene, num: int) -> Scene:
    """The scene with up to `num` more objects, each visible and none touching another thing.

    Half of them are of a kind that is there already. The same scene gets the same objects.
    """
    rng = np.random.default_rng([scene.seed, _SALT])
    for number in range(num):
        kinds = _KINDS
        if rng.random() < _SAME_KIND:
            kinds = tuple(sorted({item.kind for item in scene.objects}))
        kind = kinds[int(rng.integers(len(kinds)))]
        free = [c for c in _COLORS if all((o.kind, o.color) != (kind, c) for o in scene.objects)]
        if kind == "banana":
            free = [color for color in free if color in ("yellow", "green")]
        if not free:
            continue
        color = free[int(rng.integers(len(free)))]
        assert color in PAINTS
        width, height = float(rng.uniform(*_WIDTH)), float(rng.uniform(*_HEIGHT))
        if kind in ("cube", "ball", "banana"):
            height = width
        for _ in range(_ATTEMPTS):
            x_m, y_m = float(rng.uniform(*_X_M)), float(rng.uniform(*_Y_M))
            yaw_rad = float(rng.uniform(-0.25, 0.25))
            item = PlacedObject(f"more_{number + 1}", kind, color, x_m, y_m, yaw_rad, width, height)
            wider = replace(scene, objects=(*scene.objects, item))
            if _is_free(scene, item) and all_in_sight(wider):
                scene = wider
                break
    return scene


def _is_free(scene: Scene, item: PlacedObject) -> bool:
    """Whether circles round all things on the table leave room for the object."""
    # a cup's handle is no part of its extent
    radius_m = item.extent.radius_m + _GAP_M
    circles = [(o.x_m, o.y_m, o.extent.radius_m) for o in scene.objects]
    circles += [(o.x_m, o.y_m, o.height_m / 2) for o in scene.obstacles]
    circles += [(s.item.x_m, s.item.y_m, 0.07) for s in scene.prints]
    for place in (*scene.boards, *scene.holders):
        circles.append((place.x_m, place.y_m, float(np.hypot(*place.half_m[:2]))))
    return all(
        math.hypot(item.x_m - x_m, item.y_m - y_m) > radius_m + other_m
        for x_m, y_m, other_m in circles
    )

"""Points, boxes and depth of objects as questions name them."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene, SceneObject
from spatialbot_model.contracts.depth_stats import ObjectDepth, describe_depth
from spatialbot_model.contracts.depth_tool import point_to_pixel

CLEAR_MM = 30
"""Two depths closer than this are not told apart."""
CLEAR_SHARE = 0.05
"""Nor are depths whose difference is less than this share of the farther one."""

_MIN_VALID_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class NamedDepth:
    """An object that can be named and has a depth.

    Attributes:
        index: in the scene.
        point: fractions of the image that lie on the object's centre pixel.
    """

    index: int
    name: str
    point: tuple[float, float]
    depth: ObjectDepth
    center_mm: int


def point_text(x: float, y: float) -> str:
    """``<0.5,0.2>``, as questions of the release name points."""
    return f"<{x:g},{y:g}>"


def box_text(scene: AnnotatedScene, thing: SceneObject) -> str:
    """``[x_min, y_min, x_max, y_max]`` in fractions with three digits."""
    return "[" + ", ".join(f"{value:.3f}" for value in box_fractions(scene, thing)) + "]"


def box_fractions(scene: AnnotatedScene, thing: SceneObject) -> tuple[float, float, float, float]:
    """Outer borders of an object's box in fractions of the image."""
    width_px, height_px = scene.size_px
    u_min, v_min, u_max, v_max = thing.box_px
    return (
        u_min / width_px,
        v_min / height_px,
        (u_max + 1) / width_px,
        (v_max + 1) / height_px,
    )


def clearly_apart(a_mm: float, b_mm: float) -> bool:
    """Whether two depths differ by enough to ask which is closer."""
    return abs(a_mm - b_mm) >= max(CLEAR_MM, CLEAR_SHARE * max(a_mm, b_mm))


def valid_point(
    scene: AnnotatedScene, rng: np.random.Generator, attempts: int = 20
) -> tuple[float, float, int] | None:
    """A random point with two decimals that has a return: x, y and its depth [mm]."""
    assert scene.depth_mm is not None
    for _ in range(attempts):
        x, y = (int(value) / 100 for value in rng.integers(2, 99, 2))
        u_px, v_px = point_to_pixel(x, y, *scene.size_px)
        depth_mm = int(scene.depth_mm[v_px, u_px])
        if depth_mm:
            return x, y, depth_mm
    return None


def named_objects(scene: AnnotatedScene) -> list[int]:
    """Objects whose name means them alone."""
    names = [thing.name for thing in scene.objects]
    return [index for index, name in enumerate(names) if name and names.count(name) == 1]


def object_depth(scene: AnnotatedScene, index: int) -> NamedDepth | None:
    """Depth of an object and a point on it; None when too little of it has a return.

    The centre is the mask pixel next to the mask's centroid; without a mask it is the centre of
    the box, which then stands for the whole object.
    """
    if scene.depth_mm is None:
        return None
    thing = scene.objects[index]
    u_min, v_min, u_max, v_max = thing.box_px
    if thing.mask is None:
        u_px, v_px = (u_min + u_max) // 2, (v_min + v_max) // 2
        depth = describe_depth(scene.depth_mm, None, (u_px, v_px))
    else:
        box = thing.mask[v_min : v_max + 1, u_min : u_max + 1]
        rows, columns = np.nonzero(box)
        distance2 = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
        nearest = int(np.argmin(distance2))
        u_px, v_px = u_min + int(columns[nearest]), v_min + int(rows[nearest])
        depth_mm = scene.depth_mm[v_min : v_max + 1, u_min : u_max + 1]
        if np.count_nonzero(depth_mm[box]) < _MIN_VALID_SHARE * rows.size:
            return None
        depth = describe_depth(depth_mm, box, (u_px - u_min, v_px - v_min))
    if depth is None or depth.center_mm is None:
        return None
    point = pixel_to_point(u_px, v_px, *scene.size_px)
    return NamedDepth(index, thing.name, point, depth, depth.center_mm)


def pixel_to_point(u_px: int, v_px: int, width_px: int, height_px: int) -> tuple[float, float]:
    """Fractions with as few decimals as will do that mean exactly this pixel."""
    x, y = (u_px + 0.5) / width_px, (v_px + 0.5) / height_px
    for digits in range(2, 7):
        point = round(x, digits), round(y, digits)
        if point_to_pixel(*point, width_px, height_px) == (u_px, v_px):
            return point
    return x, y


# every kind of question asks for it, a scene at a time
@lru_cache(maxsize=1)
def depths_of_named(scene: AnnotatedScene) -> tuple[NamedDepth, ...]:
    """All objects that can be named and have a depth."""
    found = (object_depth(scene, index) for index in named_objects(scene))
    return tuple(depth for depth in found if depth is not None)


def pick_two(count: int, rng: np.random.Generator) -> tuple[int, int]:
    """Two different numbers below `count`, in random order."""
    first, second = rng.choice(count, 2, replace=False)
    return int(first), int(second)


def alone_at(scene: AnnotatedScene, item: NamedDepth) -> bool:
    """Whether no other object's mask, or box where it has none, holds the object's point."""
    u_px, v_px = point_to_pixel(*item.point, *scene.size_px)
    for index, thing in enumerate(scene.objects):
        if index == item.index:
            continue
        u_min, v_min, u_max, v_max = thing.box_px
        inside = u_min <= u_px <= u_max and v_min <= v_px <= v_max
        if inside and (thing.mask is None or thing.mask[v_px, u_px]):
            return False
    return True

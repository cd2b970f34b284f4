"""Middle level: depth of objects and regions, and which of several is closer."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.depth_stats import ObjectDepth, describe_region
from spatialbot_model.spatialqa.draft import Draft, Kind, Mode
from spatialbot_model.spatialqa.geometry import (
    NamedDepth,
    alone_at,
    clearly_apart,
    depths_of_named,
    pick_two,
    point_text,
    valid_point,
)

_TOOL_OR_MAP: tuple[Mode, ...] = ("tool", "direct")
_EVERY_WAY: tuple[Mode, ...] = ("plain", "tool", "direct")
_LETTERS = "ABCD"


def _ask_closer_point(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    a, b = valid_point(scene, rng), valid_point(scene, rng)
    if a is None or b is None or not clearly_apart(a[2], b[2]):
        return None
    near, far = (a, b) if a[2] < b[2] else (b, a)
    return Draft(
        {
            "a": point_text(*a[:2]),
            "b": point_text(*b[:2]),
            "near": point_text(*near[:2]),
            "far": point_text(*far[:2]),
        },
        {"points": [a[:2], b[:2]], "depths_mm": [a[2], b[2]], "nearest": int(near is b)},
        calls=(a[:2], b[:2]),
    )


def _ask_order(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    found = [point for _ in range(3) if (point := valid_point(scene, rng)) is not None]
    order = sorted(range(len(found)), key=lambda index: found[index][2])
    in_order = [found[index][2] for index in order]
    pairs = pairwise(in_order)
    if len(found) < 3 or not all(clearly_apart(a, b) for a, b in pairs):
        return None
    named = ", ".join(
        f"{letter} {point_text(x, y)}" for letter, (x, y, _) in zip(_LETTERS, found, strict=False)
    )
    return Draft(
        {"points": named, "order": ", ".join(_LETTERS[index] for index in order)},
        {
            "points": [point[:2] for point in found],
            "depths_mm": [point[2] for point in found],
            "order": order,
        },
        calls=tuple(point[:2] for point in found),
    )


def _ask_object(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    item = _one(depths_of_named(scene), rng)
    if item is None:
        return None
    return Draft(
        {"object": item.name, "depth": str(item.center_mm), "point": point_text(*item.point)},
        {"objects": [item.index], "points": [item.point], "depth_mm": item.center_mm},
        calls=(item.point,),
    )


def _ask_object_span(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    depths = [item for item in depths_of_named(scene) if scene.objects[item.index].mask is not None]
    item = _one(depths, rng)
    if item is None:
        return None
    numbers = _four(item.depth, item.center_mm)
    return Draft(
        {"object": item.name, **{name: str(value) for name, value in numbers.items()}},
        {"objects": [item.index], **numbers},
    )


def _ask_closer_object(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    depths = depths_of_named(scene)
    if len(depths) < 2:
        return None
    a, b = (depths[index] for index in pick_two(len(depths), rng))
    if not _told_apart(a, b):
        return None
    near, far = (a, b) if a.center_mm < b.center_mm else (b, a)
    return Draft(
        {"a": a.name, "b": b.name, "near": near.name, "far": far.name},
        {
            "objects": [a.index, b.index],
            "points": [a.point, b.point],
            "depths_mm": [a.center_mm, b.center_mm],
            "nearest": near.index,
        },
        calls=(a.point, b.point),
    )


def _ask_nearest(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    depths = depths_of_named(scene)
    if len(depths) < 3:
        return None
    chosen = [depths[index] for index in rng.choice(len(depths), 3, replace=False)]
    near = min(chosen, key=lambda item: item.center_mm)
    if not all(_told_apart(near, item) for item in chosen if item is not near):
        return None
    names = [f"the {item.name}" for item in chosen]
    return Draft(
        {"objects": f"{', '.join(names[:-1])} and {names[-1]}", "near": near.name},
        {
            "objects": [item.index for item in chosen],
            "points": [item.point for item in chosen],
            "depths_mm": [item.center_mm for item in chosen],
            "nearest": near.index,
        },
        calls=tuple(item.point for item in chosen),
    )


def _ask_region(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    assert scene.depth_mm is not None
    x_min, y_min = (int(value) / 100 for value in rng.integers(2, 80, 2))
    wide, high = (int(value) for value in rng.integers(5, 31, 2))
    x_max = min(round(100 * x_min) + wide, 99) / 100
    y_max = min(round(100 * y_min) + high, 99) / 100
    depth = describe_region(scene.depth_mm, x_min, y_min, x_max, y_max)
    if depth is None or depth.center_mm is None:
        return None
    numbers = _four(depth, depth.center_mm)
    return Draft(
        {
            "region": f"<{x_min:g},{y_min:g},{x_max:g},{y_max:g}>",
            **{name: str(value) for name, value in numbers.items()},
        },
        {"region": [x_min, y_min, x_max, y_max], **numbers},
    )


def _ask_at_point(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    depths = [
        item
        for item in depths_of_named(scene)
        if scene.objects[item.index].mask is not None and alone_at(scene, item)
    ]
    item = _one(depths, rng)
    if item is None:
        return None
    return Draft(
        {"object": item.name, "depth": str(item.center_mm), "point": point_text(*item.point)},
        {"objects": [item.index], "points": [item.point], "depth_mm": item.center_mm},
        calls=(item.point,),
    )


def _told_apart(a: NamedDepth, b: NamedDepth) -> bool:
    """Centres and means say the same, so that it is no matter what is taken for the depth."""
    means = a.depth.mean_mm - b.depth.mean_mm
    return clearly_apart(a.center_mm, b.center_mm) and means * (a.center_mm - b.center_mm) > 0


def _one(items: Sequence[NamedDepth], rng: np.random.Generator) -> NamedDepth | None:
    return items[int(rng.integers(len(items)))] if items else None


def _four(depth: ObjectDepth, center_mm: int) -> dict[str, int]:
    return {
        "center": center_mm,
        "mean": round(depth.mean_mm),
        "min": depth.min_mm,
        "max": depth.max_mm,
    }


_FOUR = frozenset({"center", "mean", "min", "max"})

MIDDLE_KINDS = (
    Kind(
        "closer_point", "middle", _ask_closer_point, frozenset({"a", "b", "near", "far"}),
        modes=_EVERY_WAY,
    ),
    Kind(
        "order_points", "middle", _ask_order, frozenset({"points", "order"}), modes=_TOOL_OR_MAP
    ),
    Kind(
        "object_depth", "middle", _ask_object, frozenset({"object", "depth", "point"}),
        modes=_TOOL_OR_MAP,
    ),
    Kind("object_span", "middle", _ask_object_span, _FOUR | {"object"}, modes=("plain", "direct")),
    Kind(
        "closer_object", "middle", _ask_closer_object, frozenset({"a", "b", "near", "far"}),
        modes=_EVERY_WAY,
    ),
    Kind(
        "nearest_object", "middle", _ask_nearest, frozenset({"objects", "near"}),
        modes=_EVERY_WAY,
    ),
    Kind("region_span", "middle", _ask_region, _FOUR | {"region"}, modes=("plain", "direct")),
    Kind(
        "object_at_point", "middle", _ask_at_point, frozenset({"object", "depth", "point"}),
        modes=_TOOL_OR_MAP,
    ),
)  # fmt: skip

"""High level: where things are to each other, how many, how large, and what touches what."""

from collections.abc import Callable

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.spatialqa.draft import Ask, Draft, Kind
from spatialbot_model.spatialqa.geometry import (
    box_fractions,
    box_text,
    clearly_apart,
    depths_of_named,
    named_objects,
    object_depth,
    pick_two,
    point_text,
)

CLEAR_SIZE = 1.15
"""Sizes are compared only where one is this many times the other."""
CLEAR_AREA = 1.5
_DISTANCE_STEP_MM = 10
_UNANSWERED_SHARE = 0.9

_YES_NO = frozenset({"yes", "no"})
_OPPOSITE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "higher in the picture than": "lower in the picture than",
    "lower in the picture than": "higher in the picture than",
    "in front of": "behind",
    "behind": "in front of",
}


def _relation(scene: AnnotatedScene, rng: np.random.Generator) -> tuple[int, int, str] | None:
    """Two objects and how the first lies to the second; boxes do not overlap in that axis."""
    named = named_objects(scene)
    if len(named) < 2:
        return None
    first, second = (named[index] for index in pick_two(len(named), rng))
    a, b = scene.objects[first].box_px, scene.objects[second].box_px
    found = []
    if a[2] < b[0]:
        found.append("to the left of")
    if b[2] < a[0]:
        found.append("to the right of")
    if a[3] < b[1]:
        found.append("higher in the picture than")
    if b[3] < a[1]:
        found.append("lower in the picture than")
    return (first, second, found[int(rng.integers(len(found)))]) if found else None


def _ask_relation(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    found = _relation(scene, rng)
    if found is None:
        return None
    first, second, relation = found
    words = [relation, _OPPOSITE[relation]]
    if rng.random() < 0.5:
        words.reverse()
    a, b = scene.objects[first].name, scene.objects[second].name
    return Draft(
        {"a": a, "b": b, "relation": relation, "choice": " or ".join(_short(words))},
        {"objects": [first, second], "relation": relation},
    )


def _ask_relation_true(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    found = _relation(scene, rng)
    if found is None:
        return None
    first, second, relation = found
    true = bool(rng.random() < 0.5)
    asked = relation if true else _OPPOSITE[relation]
    a, b = scene.objects[first].name, scene.objects[second].name
    return Draft(
        {"a": a, "b": b, "asked": asked, "relation": relation},
        {"objects": [first, second], "relation": relation, "asked": asked, "answer": true},
        variant="yes" if true else "no",
    )


def _ask_in_front(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    depths = depths_of_named(scene)
    if len(depths) < 2:
        return None
    a, b = (depths[index] for index in pick_two(len(depths), rng))
    # all of one lies before all of the other, percentiles for ends
    if max(a.depth.min_mm, b.depth.min_mm) <= min(a.depth.max_mm, b.depth.max_mm):
        return None
    if not clearly_apart(a.center_mm, b.center_mm):
        return None
    relation = "in front of" if a.center_mm < b.center_mm else "behind"
    true = bool(rng.random() < 0.5)
    asked = relation if true else _OPPOSITE[relation]
    return Draft(
        {"a": a.name, "b": b.name, "asked": asked, "relation": relation},
        {
            "objects": [a.index, b.index],
            "points": [a.point, b.point],
            "depths_mm": [a.center_mm, b.center_mm],
            "relation": relation,
            "asked": asked,
            "answer": true,
        },
        calls=(a.point, b.point),
        variant="yes" if true else "no",
    )


def _ask_count(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    present = sorted({thing.category for thing in scene.objects} & scene.counted)
    if not present:
        return None
    category = present[int(rng.integers(len(present)))]
    count = sum(thing.category == category for thing in scene.objects)
    return Draft(
        {"category": category, "categories": plural(category), "count": str(count)},
        {"category": category, "count": count},
    )


def _ask_existence(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    present = sorted({thing.category for thing in scene.objects})
    absent = sorted(scene.absent)
    true = bool(rng.random() < 0.5)
    choices = present if true else absent
    if not choices or not absent:
        return None
    category = choices[int(rng.integers(len(choices)))]
    return Draft(
        {"category": category, "a_category": with_article(category)},
        {"category": category, "answer": true},
        variant="yes" if true else "no",
    )


def _ask_touching(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    named = [index for index in named_objects(scene) if index != scene.hand]
    if scene.contacts is None or len(named) < 2:
        return None
    pairs = [(a, b) for a in named for b in named if a < b]
    true = _wants_yes(rng, any(pair in scene.contacts for pair in pairs))
    choices = [pair for pair in pairs if (pair in scene.contacts) == true]
    if not choices:
        return None
    first, second = choices[int(rng.integers(len(choices)))]
    if rng.random() < 0.5:
        first, second = second, first
    return Draft(
        {"a": scene.objects[first].name, "b": scene.objects[second].name},
        {"objects": [first, second], "answer": true},
        variant="yes" if true else "no",
    )


def _ask_reached(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    hand = scene.hand
    named = [index for index in named_objects(scene) if index != hand]
    if scene.contacts is None or hand is None or not named:
        return None
    touched = {a if b == hand else b for a, b in scene.contacts if hand in (a, b)}
    true = _wants_yes(rng, any(index in touched for index in named))
    choices = [index for index in named if (index in touched) == true]
    if not choices:
        return None
    index = choices[int(rng.integers(len(choices)))]
    return Draft(
        {"hand": scene.objects[hand].name, "object": scene.objects[index].name},
        {"objects": [hand, index], "answer": true},
        variant="yes" if true else "no",
    )


def _compare_sizes(axis: int) -> Ask:
    def ask(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
        return _compare(scene, rng, lambda index: _size_mm(scene, index, axis), CLEAR_SIZE, "mm")

    return ask


def _ask_area(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    return _compare(scene, rng, lambda index: _area_px(scene, index), CLEAR_AREA, "px")


def _compare(
    scene: AnnotatedScene,
    rng: np.random.Generator,
    measure: Callable[[int], float | None],
    clear: float,
    unit: str,
) -> Draft | None:
    measured = [
        (index, value) for index in named_objects(scene) if (value := measure(index)) is not None
    ]
    if len(measured) < 2:
        return None
    a, b = (measured[index] for index in pick_two(len(measured), rng))
    if max(a[1], b[1]) < clear * min(a[1], b[1]):
        return None
    more, less = (a, b) if a[1] > b[1] else (b, a)
    names = [scene.objects[index].name for index, _ in (a, b, more, less)]
    return Draft(
        dict(zip(("a", "b", "more", "less"), names, strict=True)),
        {"objects": [a[0], b[0]], f"values_{unit}": [a[1], b[1]], "more": more[0]},
    )


def _size_mm(scene: AnnotatedScene, index: int, axis: int) -> float | None:
    size_m = scene.objects[index].size_m
    return None if size_m is None else round(1000 * float(size_m[axis]), 1)


def _area_px(scene: AnnotatedScene, index: int) -> float | None:
    mask = scene.objects[index].mask
    return None if mask is None else float(np.count_nonzero(mask))


def _ask_distance(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    placed = [
        (index, position_m)
        for index in named_objects(scene)
        if (position_m := scene.objects[index].position_m) is not None
    ]
    if len(placed) < 2:
        return None
    (a, a_m), (b, b_m) = (placed[index] for index in pick_two(len(placed), rng))
    distance_mm = 1000 * float(np.linalg.norm(a_m - b_m))
    rounded = _DISTANCE_STEP_MM * round(distance_mm / _DISTANCE_STEP_MM)
    return Draft(
        {
            "a": scene.objects[a].name,
            "b": scene.objects[b].name,
            "distance": str(rounded),
        },
        {"objects": [a, b], "distance_mm": rounded},
    )


def _ask_grounding(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    named = named_objects(scene)
    if not named:
        return None
    index = named[int(rng.integers(len(named)))]
    thing = scene.objects[index]
    return Draft(
        {"object": thing.name, "box": box_text(scene, thing)},
        {"objects": [index], "box": list(box_fractions(scene, thing))},
    )


def _ask_grounding_depth(scene: AnnotatedScene, rng: np.random.Generator) -> Draft | None:
    named = named_objects(scene)
    if not named:
        return None
    item = object_depth(scene, named[int(rng.integers(len(named)))])
    if item is None:
        return None
    thing = scene.objects[item.index]
    return Draft(
        {
            "object": thing.name,
            "box": box_text(scene, thing),
            "depth": str(item.center_mm),
            "point": point_text(*item.point),
        },
        {
            "objects": [item.index],
            "points": [item.point],
            "box": list(box_fractions(scene, thing)),
            "depth_mm": item.center_mm,
        },
        calls=(item.point,),
    )


def _wants_yes(rng: np.random.Generator, possible: bool) -> bool:
    """Whether to ask for a yes; where there is none, mostly nothing is asked.

    Few things touch. If every scene gave a no, "no" would be right without looking.
    """
    return bool(rng.random() < (0.5 if possible else _UNANSWERED_SHARE))


def plural(noun: str) -> str:
    """``cups``; English rules that hold for the names of things."""
    irregular = {"person": "people", "knife": "knives", "mouse": "mice", "scissors": "scissors"}
    head, blank, last = noun.rpartition(" ")
    if last in irregular:
        return head + blank + irregular[last]
    if last.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(noun: str) -> str:
    """``a cup``, ``an orange``."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _short(words: list[str]) -> list[str]:
    """The relation without its preposition, as one offers a choice."""
    shorter = (" of", " than")
    return [next((w.removesuffix(e) for e in shorter if w.endswith(e)), w) for w in words]


_AB = frozenset({"a", "b"})
_COMPARED = _AB | {"more", "less"}

HIGH_KINDS = (
    Kind(
        "relation", "high", _ask_relation, _AB | {"relation", "choice"}, needs_depth=False
    ),
    Kind(
        "relation_true", "high", _ask_relation_true, _AB | {"asked", "relation"}, _YES_NO,
        needs_depth=False,
    ),
    Kind(
        "in_front", "high", _ask_in_front, _AB | {"asked", "relation"}, _YES_NO,
        modes=("plain", "tool", "direct"),
    ),
    Kind(
        "counting", "high", _ask_count, frozenset({"category", "categories", "count"}),
        needs_depth=False,
    ),
    Kind(
        "existence", "high", _ask_existence, frozenset({"category", "a_category"}), _YES_NO,
        needs_depth=False,
    ),
    Kind("touching", "high", _ask_touching, _AB, _YES_NO, needs_depth=False),
    Kind(
        "reached", "high", _ask_reached, frozenset({"hand", "object"}), _YES_NO,
        needs_depth=False,
    ),
    Kind("wider", "high", _compare_sizes(0), _COMPARED, needs_depth=False),
    Kind("taller", "high", _compare_sizes(1), _COMPARED, needs_depth=False),
    Kind("larger_in_picture", "high", _ask_area, _COMPARED, needs_depth=False),
    Kind("distance", "high", _ask_distance, _AB | {"distance"}),
    Kind("grounding", "high", _ask_grounding, frozenset({"object", "box"}), needs_depth=False),
    Kind(
        "grounding_depth", "high", _ask_grounding_depth,
        frozenset({"object", "box", "depth", "point"}), modes=("plain", "tool", "direct"),
    ),
)  # fmt: skip

"""Which objects and places of a scene a meaning fits: the judge of whether a question is fair.

Knows nothing of how scenes are made. A relation must hold by a margin, or what it means is unclear.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spatialbot_sim.objects import PlacedBoard, PlacedHolder, PlacedObject, outside_by_m
from spatialbot_sim.tasks.meaning import Meaning, Named, NounPhrase, Perspective, Relation
from spatialbot_sim.tasks.scene import Scene

POSITION_MARGIN_M = 0.04
HEIGHT_MARGIN_M = 0.025
SIZE_MARGIN_RATIO = 1.2
INSIDE_MARGIN_M = 0.03

Thing = PlacedObject | PlacedBoard | PlacedHolder


@dataclass(frozen=True, slots=True)
class Fit:
    """Names of what a phrase fits.

    Attributes:
        clear: what it fits by the margin.
        unclear: what it may or may not fit.
    """

    clear: tuple[str, ...]
    unclear: tuple[str, ...] = ()

    @property
    def only(self) -> str | None:
        """The one thing that is meant, if it is one and clearly so."""
        return self.clear[0] if len(self.clear) == 1 and not self.unclear else None


def solve(meaning: Meaning, scene: Scene) -> tuple[Fit, Fit]:
    """What object and what place a meaning fits."""
    return (
        solve_phrase(meaning.object, scene, meaning.perspective),
        solve_phrase(meaning.place, scene, meaning.perspective),
    )


def solve_phrase(phrase: NounPhrase, scene: Scene, perspective: Perspective) -> Fit:
    """What one noun phrase fits. Pictures of things are no things, said or not."""
    things = _named(phrase.named, scene)
    relation = phrase.relation
    if relation is None:
        return Fit(tuple(thing.name for thing in things))
    if relation.reference is not None:
        return _by_reference(relation, relation.reference, things, scene, perspective)
    if relation.word == "middle":
        return _middle(things, scene, perspective)
    if relation.degree in ("positive", "comparative") and len(things) != 2:
        return Fit((), tuple(thing.name for thing in things))
    if relation.degree == "superlative" and len(things) < 2:
        return Fit((), tuple(thing.name for thing in things))
    key, margin = _measure(relation.word, perspective)
    values = [key(thing) for thing in things]
    most = max(values)
    close = tuple(t.name for t, v in zip(things, values, strict=True) if v > most - margin)
    return Fit(close)


def _named(named: Named, scene: Scene) -> list[Thing]:
    things: Sequence[Thing]
    if named.kind == "board":
        things = scene.boards
    elif named.kind in ("box", "area", "stand"):
        things = [holder for holder in scene.holders if holder.kind == named.kind]
    else:
        things = [item for item in scene.objects if named.kind in ("object", item.kind)]
    return [
        thing
        for thing in things
        if named.color is None or getattr(thing, "color", None) == named.color
    ]


def _measure(word: str, perspective: Perspective) -> tuple[Callable[[Thing], float], float]:
    """What grows with a relation, and by how much two values must differ."""
    # the camera looks back at the robot: its left is -y, its near is +x
    sign = 1.0 if perspective == "camera" else -1.0
    measures: dict[str, tuple[Callable[[Thing], float], float]] = {
        "left": (lambda thing: -sign * thing.y_m, POSITION_MARGIN_M),
        "right": (lambda thing: sign * thing.y_m, POSITION_MARGIN_M),
        "near": (lambda thing: sign * thing.x_m, POSITION_MARGIN_M),
        "far": (lambda thing: -sign * thing.x_m, POSITION_MARGIN_M),
        "up": (lambda thing: getattr(thing, "base_z_m", 0.0), HEIGHT_MARGIN_M),
        "down": (lambda thing: -getattr(thing, "base_z_m", 0.0), HEIGHT_MARGIN_M),
        "tall": (lambda thing: math.log(_size(thing)[1]), math.log(SIZE_MARGIN_RATIO)),
        "short": (lambda thing: -math.log(_size(thing)[1]), math.log(SIZE_MARGIN_RATIO)),
        "wide": (lambda thing: math.log(_size(thing)[0]), math.log(SIZE_MARGIN_RATIO)),
        "thin": (lambda thing: -math.log(_size(thing)[0]), math.log(SIZE_MARGIN_RATIO)),
        "large": (lambda thing: math.log(_bulk(thing)), math.log(SIZE_MARGIN_RATIO)),
        "small": (lambda thing: -math.log(_bulk(thing)), math.log(SIZE_MARGIN_RATIO)),
    }
    return measures[word]


def _size(thing: Thing) -> tuple[float, float]:
    """Width and height [m]."""
    if isinstance(thing, PlacedObject):
        return thing.extent.width_m, thing.extent.height_m
    return float(2 * thing.half_m[1]), float(2 * thing.half_m[2])


def _bulk(thing: Thing) -> float:
    """Mean edge of the box around a thing [m]; boards differ in area only."""
    if isinstance(thing, PlacedObject):
        extent = thing.extent
        return float((extent.length_m * extent.width_m * extent.height_m) ** (1 / 3))
    return float(2 * math.sqrt(thing.half_m[0] * thing.half_m[1]))


def _middle(things: list[Thing], scene: Scene, perspective: Perspective) -> Fit:
    names = tuple(thing.name for thing in things)
    if len(things) != 3:
        return Fit((), names)
    low, middle, high = sorted(things, key=lambda thing: thing.y_m)
    gap_m = min(middle.y_m - low.y_m, high.y_m - middle.y_m)
    return Fit((middle.name,)) if gap_m >= POSITION_MARGIN_M else Fit((), names)


def _by_reference(
    relation: Relation,
    named: Named,
    things: list[Thing],
    scene: Scene,
    perspective: Perspective,
) -> Fit:
    references = _named(named, scene)
    if len(references) != 1:
        return Fit((), tuple(thing.name for thing in things))
    reference = references[0]
    others = [thing for thing in things if thing is not reference]
    if relation.word in ("on", "in", "inside", "outside"):
        beyond = [_outside_m(reference, thing) for thing in others]
        outside = relation.word == "outside"
        clear = [(v > INSIDE_MARGIN_M) if outside else (v < -INSIDE_MARGIN_M) for v in beyond]
        unclear = [abs(v) <= INSIDE_MARGIN_M for v in beyond]
    else:
        key, margin = _measure(relation.word, perspective)
        gaps = [key(thing) - key(reference) for thing in others]
        clear, unclear = [gap >= margin for gap in gaps], [abs(gap) < margin for gap in gaps]
    return Fit(
        tuple(thing.name for thing, yes in zip(others, clear, strict=True) if yes),
        tuple(thing.name for thing, yes in zip(others, unclear, strict=True) if yes),
    )


def _outside_m(place: Thing, thing: Thing) -> float:
    """How far a thing's centre lies outside a place; negative inside."""
    assert not isinstance(place, PlacedObject), "only places hold things"
    return outside_by_m(place, thing.x_m, thing.y_m)

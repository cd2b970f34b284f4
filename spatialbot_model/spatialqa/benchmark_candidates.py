"""Questions in the form of SpatialBench that a picture can answer, before some are chosen.

Only clear cases: boxes apart, depths, sizes and gaps that nobody would argue about. Questions about
existence, reaching and size come as a pair about one picture, one to be answered Yes and one No.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.depth_tool import point_to_pixel
from spatialbot_model.spatialqa.geometry import (
    NamedDepth,
    clearly_apart,
    depths_of_named,
    named_objects,
    point_text,
)
from spatialbot_model.spatialqa.high import plural, with_article

BenchCategory = Literal["depth", "positional", "existence", "counting", "reach", "size"]

COUNTED_CATEGORIES = ("cube", "ball", "cup", "banana", "bottle", "can")
"""What is counted and asked for; of boards and stands every table has the same."""

_STANDS = ("stand", "open box")
"""What things stand on; whether one touches a painted square is a matter of words."""

_YES_NO = "Answer with Yes or No."
_CLEAR_SIZE = 1.25
_CLEAR_GAP_PX = 8
_SIDE_GAP_PX = 4
_POINTS_PER_PICTURE = 12
_SMOOTH = 0.03
_NEIGHBOURS = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question, or a pair of them, that may become part of the benchmark.

    Attributes:
        records: (question, answer); of a pair the one to be answered Yes comes first.
        traits: what shall be balanced over all that are chosen: sums of each trait stay small.
    """

    category: BenchCategory
    picture: str
    records: tuple[tuple[str, str], ...]
    traits: Mapping[str, int] = field(default_factory=dict)


def candidates_of(scene: AnnotatedScene, rng: np.random.Generator) -> Iterator[Candidate]:
    """Everything that can be asked about a picture; a scene without depth gives nothing."""
    if scene.depth_mm is None:
        return
    yield from _positions(scene)
    yield from _existence(scene)
    yield from _counts(scene)
    yield from _reach(scene)
    yield from _sizes(scene)
    yield from _depths(scene, rng)


def _named(scene: AnnotatedScene) -> list[int]:
    """Objects that one name means; none whose name is part of another's, and not the hand."""
    names = [thing.name for thing in scene.objects]
    return [
        index
        for index in named_objects(scene)
        if index != scene.hand
        and not any(k != index and names[index] in name for k, name in enumerate(names))
    ]


def _positions(scene: AnnotatedScene) -> Iterator[Candidate]:
    named = _named(scene)
    for first in named:
        for second in named:
            a, b = scene.objects[first], scene.objects[second]
            if first == second:
                continue
            left = a.box_px[2] + _SIDE_GAP_PX < b.box_px[0]
            if left or b.box_px[2] + _SIDE_GAP_PX < a.box_px[0]:
                question = (
                    f"Is the {a.name} to the left or to the right of the {b.name}?"
                    " Answer with left or right."
                )
                answer = "left" if left else "right"
                yield _compared(scene, "side", question, answer, (first, second), left)
    depths = {item.index: item for item in depths_of_named(scene)}
    for first in named:
        for second in named:
            if first == second or first not in depths or second not in depths:
                continue
            near, far = sorted((depths[first], depths[second]), key=lambda item: item.center_mm)
            if not _one_before_other(near, far):
                continue
            name_a, name_b = scene.objects[first].name, scene.objects[second].name
            is_near = near.index == first
            yield _compared(
                scene,
                "front",
                f"Seen from the camera, is the {name_a} in front of the {name_b} or behind it?"
                " Answer with in front or behind.",
                "in front" if is_near else "behind",
                (first, second),
                is_near,
            )
            yield _compared(
                scene,
                "closer",
                f"Which is closer to the camera, the {name_a} or the {name_b}?"
                " Answer with its name.",
                near.name,
                (first, second),
                is_near,
            )


def _one_before_other(near: NamedDepth, far: NamedDepth) -> bool:
    return clearly_apart(near.center_mm, far.center_mm) and near.depth.max_mm < far.depth.min_mm


def _compared(
    scene: AnnotatedScene,
    form: str,
    question: str,
    answer: str,
    objects: tuple[int, int],
    first: bool,
) -> Candidate:
    """A question about two objects; `first` says which way it is answered."""
    sign = 1 if first else -1
    traits = {f"form {form}": 1, f"{form}": sign}
    a, b = (scene.objects[index].name for index in objects)
    return Candidate(
        "positional",
        scene.id,
        ((question, answer),),
        _add(traits, _word_traits(form, a, sign), _word_traits(form, b, -sign)),
    )


def _existence(scene: AnnotatedScene) -> Iterator[Candidate]:
    present = {thing.category for thing in scene.objects} & set(COUNTED_CATEGORIES)
    for there in sorted(present & scene.counted):
        for missing in sorted(scene.absent & set(COUNTED_CATEGORIES)):
            yield Candidate(
                "existence",
                scene.id,
                tuple(
                    (f"Is there {with_article(category)} in the picture? {_YES_NO}", answer)
                    for category, answer in ((there, "Yes"), (missing, "No"))
                ),
                {there: 1, missing: -1},
            )


def _counts(scene: AnnotatedScene) -> Iterator[Candidate]:
    categories = [thing.category for thing in scene.objects]
    for category in sorted(scene.counted & set(COUNTED_CATEGORIES) & set(categories)):
        count = categories.count(category)
        yield Candidate(
            "counting",
            scene.id,
            (
                (
                    f"How many {plural(category)} are in the picture? Answer with a number.",
                    str(count),
                ),
            ),
            {f"count {count}": 2, f"{category}": 1, f"{category} {count}": 1},
        )


def _reach(scene: AnnotatedScene) -> Iterator[Candidate]:
    """Pairs about one thing that does and one that does not touch the same other thing."""
    if scene.contacts is None:
        return
    named = _named(scene)
    hubs = [index for index in named_objects(scene) if index == scene.hand]
    hubs += [k for k in named if scene.objects[k].category in _STANDS]
    for hub in hubs:
        others = [k for k in named if k != hub and scene.objects[k].category in COUNTED_CATEGORIES]
        touching = [k for k in others if (min(k, hub), max(k, hub)) in scene.contacts]
        apart = [k for k in others if k not in touching and _gap_px(scene, k, hub) >= _CLEAR_GAP_PX]
        for yes in touching:
            for no in apart:
                names = [scene.objects[k].name for k in (yes, no)]
                form = "hand" if hub == scene.hand else "thing"
                yield Candidate(
                    "reach",
                    scene.id,
                    tuple(
                        (f"Is the {scene.objects[hub].name} touching the {name}? {_YES_NO}", answer)
                        for name, answer in zip(names, ("Yes", "No"), strict=True)
                    ),
                    _add(
                        {f"form {form}": 1},
                        _word_traits("touch", names[0], 1),
                        _word_traits("touch", names[1], -1),
                    ),
                )


def _gap_px(scene: AnnotatedScene, first: int, second: int) -> float:
    """Least distance between two masks; without masks nothing is known to be apart."""
    a, b = scene.objects[first].mask, scene.objects[second].mask
    if a is None or b is None:
        return 0.0
    distance = cv2.distanceTransform((~a).astype(np.uint8), cv2.DIST_L2, 5)
    return float(distance[b].min())


def _sizes(scene: AnnotatedScene) -> Iterator[Candidate]:
    for axis, word in ((1, "taller"), (0, "wider")):
        measured = []
        for index in _named(scene):
            thing = scene.objects[index]
            if thing.size_m is not None and thing.category in COUNTED_CATEGORIES:
                measured.append((float(thing.size_m[axis]), thing))
        for larger_m, larger in measured:
            for smaller_m, smaller in measured:
                # how wide a lying banana is depends on where one looks from
                lying = axis == 0 and "banana" in (larger.category, smaller.category)
                if lying or larger_m < _CLEAR_SIZE * smaller_m:
                    continue
                yield Candidate(
                    "size",
                    scene.id,
                    tuple(
                        (f"Is the {a} {word} than the {b}? {_YES_NO}", answer)
                        for a, b, answer in (
                            (larger.name, smaller.name, "Yes"),
                            (smaller.name, larger.name, "No"),
                        )
                    ),
                    _add(
                        {f"form {word}": 1},
                        _word_traits(word, larger.name, 2),
                        _word_traits(word, smaller.name, -2),
                    ),
                )


def _depths(scene: AnnotatedScene, rng: np.random.Generator) -> Iterator[Candidate]:
    assert scene.depth_mm is not None
    for item in depths_of_named(scene):
        if item.index in _named(scene) and _is_smooth(scene, item.point):
            yield _depth(scene, f"the {item.name}", item.center_mm, "object")
    for _ in range(_POINTS_PER_PICTURE):
        x, y = (int(value) / 100 for value in rng.integers(3, 98, 2))
        u_px, v_px = point_to_pixel(x, y, *scene.size_px)
        if _is_smooth(scene, (x, y)):
            depth_mm = int(scene.depth_mm[v_px, u_px])
            yield _depth(scene, f"the point {point_text(x, y)}", depth_mm, "point")


def _depth(scene: AnnotatedScene, what: str, depth_mm: int, form: str) -> Candidate:
    # bins of about a fifth, so that no one answer is close to most
    depth_bin = round(4 * np.log(depth_mm))
    return Candidate(
        "depth",
        scene.id,
        ((f"What is the depth of {what}? Answer with a number in millimetres.", str(depth_mm)),),
        {f"form {form}": 1, f"bin {depth_bin}": 3},
    )


def _is_smooth(scene: AnnotatedScene, point: Sequence[float]) -> bool:
    """Whether a pixel beside it would be answered about alike."""
    assert scene.depth_mm is not None
    u_px, v_px = point_to_pixel(point[0], point[1], *scene.size_px)
    near = scene.depth_mm[
        max(v_px - _NEIGHBOURS, 0) : v_px + _NEIGHBOURS + 1,
        max(u_px - _NEIGHBOURS, 0) : u_px + _NEIGHBOURS + 1,
    ]
    return bool(near.all()) and float(near.max()) <= (1 + _SMOOTH) * float(near.min())


def _word_traits(form: str, name: str, sign: int) -> dict[str, int]:
    return {f"{form} {word}": sign for word in name.split()}


def _add(*traits: Mapping[str, int]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in traits:
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total

"""Answers derived once more from the annotations, by code that shares nothing with the askers.

Besides the facts it reads the words: the number, name or yes that stands in the answer.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.spatialqa.generate import Item


def check(scene: AnnotatedScene, item: Item) -> None:
    """Assert that every statement of an item holds."""
    question, answer = item.turns[0][1], item.turns[-1][1]
    assert "{" not in question + answer
    _check_turns(scene, item)
    CHECKS[item.kind](scene, item.facts, question, answer)


def _depth(scene: AnnotatedScene, point: Sequence[float]) -> int:
    height, width = scene.depth_mm.shape
    column, row = (
        min(math.floor(point[0] * width), width - 1),
        min(math.floor(point[1] * height), height - 1),
    )
    return int(scene.depth_mm[row, column])


def _check_turns(scene: AnnotatedScene, item: Item) -> None:
    speakers = [speaker for speaker, _ in item.turns]
    assert speakers == ["human", "gpt"] * (len(speakers) // 2)
    assert (item.mode == "tool") == (len(item.turns) == 4)
    assert item.turns[0][1].endswith("Answer directly from depth map.") == (item.mode == "direct")
    if item.mode != "tool":
        return
    calls = re.findall(r"Depth\(([\d.]+),([\d.]+)\)", item.turns[1][1])
    replies = item.turns[2][1].splitlines()
    assert len(calls) == len(replies) == len(item.facts["points"])
    for (x, y), reply, point in zip(calls, replies, item.facts["points"], strict=True):
        assert (float(x), float(y)) == tuple(point)
        value = _depth(scene, point)
        if item.kind == "depth_no_return":
            assert reply == f"API: Depth({x},{y})=invalid"
        else:
            assert value > 0 and reply == f"API: Depth({x},{y})={value}"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", re.sub(r"<[^>]*>", "", text))]


def _four(values: Sequence[int]) -> tuple[float, int, int]:
    ordered = sorted(v for v in values if v)

    def at(share: float) -> int:
        place = share * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low))

    return sum(ordered) / len(ordered), at(0.05), at(0.95)


def _point(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    value = _depth(scene, facts["points"][0])
    assert value == facts["depth_mm"] > 0
    assert re.search(rf"\b{value}\b", answer)
    x, y = facts["points"][0]
    assert f"<{x:g},{y:g}>" in question


def _no_return(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    height, width = scene.depth_mm.shape
    x, y = facts["points"][0]
    u, v = math.floor(x * width), math.floor(y * height)
    assert not scene.depth_mm[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3].any()
    assert "no" in answer.lower()


def _map(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    mean, low, high = _four(scene.depth_mm.ravel().tolist())
    assert (round(mean), low, high) == (round(facts["mean_mm"]), facts["min_mm"], facts["max_mm"])
    for number in (round(mean), low, high):
        assert re.search(rf"\b{number}\b", answer)
    thirds = {}
    width = scene.depth_mm.shape[1]
    for name, k in (("left third", 0), ("middle third", 1), ("right third", 2)):
        part = scene.depth_mm[:, round(k * width / 3) : round((k + 1) * width / 3)].astype(float)
        thirds[name] = part[part > 0].mean()
    assert facts["near_side"] == min(thirds, key=thirds.__getitem__)
    assert facts["far_side"] == max(thirds, key=thirds.__getitem__)
    assert answer.index(facts["near_side"]) < answer.index(facts["far_side"])


def _closer_point(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    a, b = facts["points"]
    x, y = a if _depth(scene, a) < _depth(scene, b) else b
    assert re.search(r"<[^>]*>", answer)[0] == f"<{x:g},{y:g}>"
    assert _depth(scene, a) != _depth(scene, b)


def _order(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    order = sorted("ABC", key=lambda letter: _depth(scene, facts["points"]["ABC".index(letter)]))
    assert re.findall(r"\b[ABC]\b", answer) == order
    for letter, (x, y) in zip("ABC", facts["points"], strict=True):
        assert f"{letter} <{x:g},{y:g}>" in question


def _holds(scene: AnnotatedScene, index: int, point: Sequence[float]) -> None:
    thing = scene.objects[index]
    width, height = scene.rgb.shape[1], scene.rgb.shape[0]
    u, v = math.floor(point[0] * width), math.floor(point[1] * height)
    if thing.mask is not None:
        assert thing.mask[v, u]
    else:
        assert (u, v) == (
            (thing.box_px[0] + thing.box_px[2]) // 2,
            (thing.box_px[1] + thing.box_px[3]) // 2,
        )


def _unique(scene: AnnotatedScene, index: int) -> str:
    name = scene.objects[index].name
    assert sum(thing.name == name for thing in scene.objects) == 1
    return name


def _object(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    index, point = facts["objects"][0], facts["points"][0]
    assert _unique(scene, index) in question
    _holds(scene, index, point)
    assert re.search(rf"\b{_depth(scene, point)}\b", answer)


def _at_point(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    index, point = facts["objects"][0], facts["points"][0]
    _holds(scene, index, point)
    assert _unique(scene, index) in answer
    assert re.search(rf"\b{_depth(scene, point)}\b", answer)


def _span(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    thing = scene.objects[facts["objects"][0]]
    assert _unique(scene, facts["objects"][0]) in question
    mean, low, high = _four(scene.depth_mm[thing.mask].tolist())
    assert facts["center"] in scene.depth_mm[thing.mask]
    assert sorted(_numbers(answer)) == sorted([facts["center"], round(mean), low, high])


def _region(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    height, width = scene.depth_mm.shape
    x0, y0, x1, y1 = facts["region"]
    assert f"<{x0:g},{y0:g},{x1:g},{y1:g}>" in question
    values = [
        int(scene.depth_mm[v, u])
        for v in range(math.floor(y0 * height), math.floor(y1 * height) + 1)
        for u in range(math.floor(x0 * width), math.floor(x1 * width) + 1)
    ]
    mean, low, high = _four(values)
    center = _depth(scene, ((x0 + x1) / 2, (y0 + y1) / 2))
    assert sorted(_numbers(answer)) == sorted([center, round(mean), low, high])


def _nearest(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    depths = {}
    for index, point in zip(facts["objects"], facts["points"], strict=True):
        _holds(scene, index, point)
        depths[_unique(scene, index)] = _depth(scene, point)
        assert scene.objects[index].name in question
    assert min(depths, key=lambda name: answer.find(name) % 10_000) == min(
        depths, key=depths.__getitem__
    )


def _boxes(scene: AnnotatedScene, facts: Any) -> tuple[Any, Any]:
    return tuple(scene.objects[index].box_px for index in facts["objects"])


_RELATIONS = {
    "to the left of": lambda a, b: a[2] < b[0],
    "to the right of": lambda a, b: a[0] > b[2],
    "higher in the picture than": lambda a, b: a[3] < b[1],
    "lower in the picture than": lambda a, b: a[1] > b[3],
}


def _relation(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    a, b = (_unique(scene, index) for index in facts["objects"])
    said = re.fullmatch(rf"The {a} is (.*) the {b}\.", answer)[1]
    assert _RELATIONS[said](*_boxes(scene, facts))


def _yes(answer: str) -> bool:
    assert answer.startswith(("Yes", "No"))
    return answer.startswith("Yes")


def _relation_true(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    a, b = (_unique(scene, index) for index in facts["objects"])
    asked = re.search(rf"the {a} (?:is )?(.*) the {b}\?", question)[1]
    assert _RELATIONS[asked](*_boxes(scene, facts)) == _yes(answer)
    if "the" in answer:
        _relation(scene, facts, question, "The" + answer.split("the", 1)[1])


def _in_front(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    a, b = (_unique(scene, index) for index in facts["objects"])
    asked = re.search(rf"the {a} (?:is )?(.*) the {b}\?", question)[1]
    near, far = (_depth(scene, point) for point in facts["points"])
    assert {"in front of": near < far, "behind": near > far}[asked] == _yes(answer)
    for mask, index in ((scene.objects[k].mask, k) for k in facts["objects"]):
        _holds(scene, index, facts["points"][facts["objects"].index(index)])
        assert mask is None or mask.any()


def _count(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    category = facts["category"]
    assert category in scene.counted
    assert category.removesuffix("y").removesuffix("fe") in question
    assert answer == str([thing.category for thing in scene.objects].count(category))


def _existence(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    assert re.search(rf"\b{facts['category']}\b", question)
    there = any(thing.category == facts["category"] for thing in scene.objects)
    assert there == _yes(answer)
    assert there or facts["category"] in scene.absent


def _touching(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    pair = tuple(sorted(facts["objects"]))
    assert (pair in scene.contacts) == _yes(answer)
    for index in pair:
        assert index == scene.hand or _unique(scene, index) in question


def _compared(values: Any) -> Any:
    def check_it(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
        first, second = facts["objects"]
        a, b = _unique(scene, first), _unique(scene, second)
        more = a if values(scene.objects[first]) > values(scene.objects[second]) else b
        less = b if more == a else a
        assert a in question and b in question
        assert answer.find(more) >= 0
        assert answer.find(less) == -1 or answer.find(more) < answer.find(less)

    return check_it


def _distance(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    a_m, b_m = (scene.objects[index].position_m for index in facts["objects"])
    said = int(re.search(r"\d+", answer)[0])
    assert abs(said - 1000 * math.dist(a_m, b_m)) <= 5.0 + 1e-6
    assert said % 10 == 0


def _grounding(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    thing = scene.objects[facts["objects"][0]]
    assert _unique(scene, facts["objects"][0]) in question
    said = [float(n) for n in re.search(r"\[(.*)\]", answer)[1].split(",")]
    height, width = scene.rgb.shape[:2]
    u0, v0, u1, v1 = thing.box_px
    np.testing.assert_allclose(
        said, [u0 / width, v0 / height, (u1 + 1) / width, (v1 + 1) / height], atol=5.1e-4
    )


def _grounding_depth(scene: AnnotatedScene, facts: Any, question: str, answer: str) -> None:
    _grounding(scene, facts, question, answer)
    _object(scene, facts, question, answer.split("]")[1])


CHECKS = {
    "depth_point": _point,
    "depth_no_return": _no_return,
    "depth_map": _map,
    "closer_point": _closer_point,
    "order_points": _order,
    "object_depth": _object,
    "object_span": _span,
    "closer_object": _nearest,
    "nearest_object": _nearest,
    "region_span": _region,
    "object_at_point": _at_point,
    "relation": _relation,
    "relation_true": _relation_true,
    "in_front": _in_front,
    "counting": _count,
    "existence": _existence,
    "touching": _touching,
    "reached": _touching,
    "wider": _compared(lambda thing: thing.size_m[0]),
    "taller": _compared(lambda thing: thing.size_m[1]),
    "larger_in_picture": _compared(lambda thing: int(thing.mask.sum())),
    "distance": _distance,
    "grounding": _grounding,
    "grounding_depth": _grounding_depth,
}

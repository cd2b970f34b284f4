"""The first families: cubes, balls and cups of nominal size, two boards, nothing in the way.

Relations are the camera's: it looks from +x back at the robot, so *left* in
the image is base -y, *right* is +y and *nearest* is the largest x. Every relation holds by
at least `RELATION_MARGIN_M`, so that no honest observer can disagree about what is meant.

Grammar of the instructions::

    (pick up | take | grab) the [COLOUR] [leftmost|rightmost|nearest|closest|farthest]
    (cube | ball | cup | teacup | object) and (put | place | move) it (on | onto | to)
    the (left | right | nearest | closest | farthest) [cutting] board
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from spatialbot_sim.objects import COLORS, ObjectKind, PlacedBoard, PlacedObject
from spatialbot_sim.tasks.scene import Scene
from spatialbot_sim.tasks.task import Task

OBJECT_X_M = (0.40, 0.62)
OBJECT_Y_M = (-0.125, 0.125)
OBJECT_SPACING_M = 0.09
"""Smallest distance of two objects' centres: the open hand fits between them."""
OBJECT_YAW_RAD = 0.25
RELATION_MARGIN_M = 0.04
BOARD_X_M = (0.45, 0.55)
BOARD_Y_M = (0.27, 0.30)
BOARD_YAW_RAD = 0.08

T = TypeVar("T")

_KINDS: tuple[ObjectKind, ...] = ("cube", "ball", "cup")
_OBJECT_RELATIONS = ("leftmost", "rightmost", "nearest", "farthest")
_BOARD_RELATIONS = ("left", "right", "nearest", "farthest")
_SYNONYMS = {"nearest": ("nearest", "closest"), "cup": ("cup", "teacup")}
_TAKE = ("pick up", "take", "grab")
_PUT = ("put it on", "place it on", "place it onto", "move it to", "put it onto")
_BOARD = ("cutting board", "board")
_MAX_TRIES = 10_000


def related_index(relation: str, items: Sequence[PlacedObject | PlacedBoard]) -> int | None:
    """Which item a relation means, or None when the margin is too small to say."""
    # left = smallest y, nearest to the camera = largest x
    keys: dict[str, Callable[[PlacedObject | PlacedBoard], float]] = {
        "left": lambda item: item.y_m,
        "right": lambda item: -item.y_m,
        "nearest": lambda item: -item.x_m,
        "farthest": lambda item: item.x_m,
    }
    key = keys[relation.removesuffix("most")]
    values = np.array([key(item) for item in items])
    order = np.argsort(values)
    if len(values) > 1 and values[order[1]] - values[order[0]] < RELATION_MARGIN_M:
        return None
    return int(order[0])


def _lay_color(task: Task, seed: int, rng: np.random.Generator) -> Scene:
    count = int(rng.integers(2, 5))
    kinds = [_pick(rng, _KINDS) for _ in range(count)]
    objects = _place_objects(rng, kinds)
    target = objects[int(rng.integers(count))]
    return _finish(task, seed, rng, f"{target.color} {_word(rng, target.kind)}", target, objects)


def _lay_position(task: Task, seed: int, rng: np.random.Generator) -> Scene:
    count = int(rng.integers(2, 5))
    relation = _pick(rng, _OBJECT_RELATIONS)
    if rng.random() < 0.5:
        kinds: list[ObjectKind] = [_pick(rng, _KINDS)] * count
        noun: str = _word(rng, kinds[0])
    else:
        kinds = [_pick(rng, _KINDS) for _ in range(count)]
        noun = "object"
    for _ in range(_MAX_TRIES):
        objects = _place_objects(rng, kinds)
        index = related_index(relation, objects)
        if index is not None:
            phrase = f"{_word(rng, relation)} {noun}"
            return _finish(task, seed, rng, phrase, objects[index], objects)
    raise AssertionError("sampling limits leave no room for the relation")


def _lay_mixture(task: Task, seed: int, rng: np.random.Generator) -> Scene:
    return (_lay_color if rng.random() < 0.5 else _lay_position)(task, seed, rng)


def _finish(
    task: Task,
    seed: int,
    rng: np.random.Generator,
    noun_phrase: str,
    target: PlacedObject,
    objects: tuple[PlacedObject, ...],
) -> Scene:
    relation = _pick(rng, _BOARD_RELATIONS, weights=(0.35, 0.35, 0.15, 0.15))
    for _ in range(_MAX_TRIES):
        boards = _place_boards(rng)
        index = related_index(relation, boards)
        if index is not None:
            break
    else:
        raise AssertionError("sampling limits leave no room for the boards")
    instruction = (
        f"{_pick(rng, _TAKE)} the {noun_phrase} and {_pick(rng, _PUT)}"
        f" the {_word(rng, relation)} {_pick(rng, _BOARD)}"
    )
    return Scene(
        task=task.name,
        seed=seed,
        instruction=instruction,
        target=target.name,
        destination=boards[index].name,
        objects=objects,
        boards=boards,
    )


def _place_objects(
    rng: np.random.Generator, kinds: Sequence[ObjectKind]
) -> tuple[PlacedObject, ...]:
    """Objects with different colours, at least `OBJECT_SPACING_M` apart."""
    colors = rng.permutation(list(COLORS))[: len(kinds)]
    for _ in range(_MAX_TRIES):
        xy = rng.uniform(
            (OBJECT_X_M[0], OBJECT_Y_M[0]), (OBJECT_X_M[1], OBJECT_Y_M[1]), (len(kinds), 2)
        )
        gaps = np.linalg.norm(xy[:, None] - xy[None], axis=-1) + np.eye(len(kinds))
        if gaps.min() >= OBJECT_SPACING_M:
            break
    else:
        raise AssertionError("sampling limits leave no room for the objects")
    yaws = rng.uniform(-OBJECT_YAW_RAD, OBJECT_YAW_RAD, len(kinds))
    return tuple(
        PlacedObject(f"{color}_{kind}", kind, str(color), float(x), float(y), float(yaw))
        for kind, color, (x, y), yaw in zip(kinds, colors, xy, yaws, strict=True)
    )


def _place_boards(rng: np.random.Generator) -> tuple[PlacedBoard, ...]:
    x = rng.uniform(*BOARD_X_M, 2)
    y = rng.uniform(*BOARD_Y_M, 2)
    yaw = rng.uniform(-BOARD_YAW_RAD, BOARD_YAW_RAD, 2)
    return (
        PlacedBoard("left_board", "left", float(x[0]), -float(y[0]), float(yaw[0])),
        PlacedBoard("right_board", "right", float(x[1]), float(y[1]), float(yaw[1])),
    )


def _pick(
    rng: np.random.Generator, choices: Sequence[T], weights: Sequence[float] | None = None
) -> T:
    return choices[int(rng.choice(len(choices), p=weights))]


def _word(rng: np.random.Generator, word: str) -> str:
    return _pick(rng, _SYNONYMS.get(word, (word,)))


PICK_PLACE = (
    Task("pick_place", "one of the families below, half and half", _lay_mixture),
    Task("pick_place_color", "an object named by colour and kind", _lay_color),
    Task("pick_place_position", "an object named by where it stands", _lay_position),
)
"""The families that the demo and the classical policy know."""

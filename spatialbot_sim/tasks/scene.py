"""One laid table and what is asked for: everything that a world needs, immutable."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_sim.objects import (
    PlacedBoard,
    PlacedHolder,
    PlacedObject,
    PlacedObstacle,
    PlacedThing,
    Print,
    surface_height_m,
)

PlaceRelation = Literal["on", "in", "inside", "outside"]
Novelty = Literal["", "paraphrase", "object", "combination"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)

_BOARD_TOLERANCE_M = 0.05
_HOLDER_TOLERANCE_M = 0.025


@dataclass(frozen=True, slots=True)
class Scene:
    """One laid table and what is asked for.

    Attributes:
        target: body name of the object that is meant.
        destination: name of the board, box or marked area that the instruction speaks of.
        holders: boxes, marked areas and stands.
        obstacles: tall things that must not be touched.
        prints: flat pictures of objects.
        relation: how the target shall lie to the destination.
        aim_xy_m: a good point to put the target, where it is not the destination's centre.
        novelty: what of this test scene never occurs in training; "" for nothing.
        features: what the scene is about, e.g. "object:tall:superlative"; for statistics.
    """

    task: str
    seed: int
    instruction: str
    target: str
    destination: str
    objects: tuple[PlacedObject, ...]
    boards: tuple[PlacedBoard, ...]
    holders: tuple[PlacedHolder, ...] = ()
    obstacles: tuple[PlacedObstacle, ...] = ()
    prints: tuple[Print, ...] = ()
    relation: PlaceRelation = "on"
    aim_xy_m: tuple[float, float] | None = None
    novelty: Novelty = ""
    features: tuple[str, ...] = ()

    def object_named(self, name: str) -> PlacedObject:
        """The object with this body name.

        Raises:
            UnknownNameError: it is not in the scene.
        """
        return _named("object", name, self.objects)

    def board_named(self, name: str) -> PlacedBoard:
        """The board with this body name.

        Raises:
            UnknownNameError: it is not in the scene.
        """
        return _named("board", name, self.boards)

    def place_named(self, name: str) -> PlacedThing:
        """The board, box, area or stand with this body name.

        Raises:
            UnknownNameError: it is not in the scene.
        """
        places: tuple[PlacedThing, ...] = (*self.boards, *self.holders)
        return _named("place", name, places)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing is to be put down.

    Attributes:
        center_m: (3,) where the centre of the thing comes to rest, in the base frame.
        tolerance_m: how far from it, horizontally, it may rest.
    """

    center_m: NDArray[np.float64]
    tolerance_m: float


def place_of(scene: Scene, table_top_z_m: float) -> Place:
    """Where the target of a scene is to be put down: the best point, not the only good one."""
    target = scene.object_named(scene.target)
    place = scene.place_named(scene.destination)
    x_m, y_m = scene.aim_xy_m or (place.x_m, place.y_m)
    surface_m = 0.0 if scene.relation == "outside" else surface_height_m(place)
    center_m = np.array([x_m, y_m, table_top_z_m + surface_m + target.rest_height_m])
    on_board = isinstance(place, PlacedBoard)
    return Place(center_m, _BOARD_TOLERANCE_M if on_board else _HOLDER_TOLERANCE_M)


def _named(what: str, name: str, things: Iterable[N]) -> N:
    by_name = {thing.name: thing for thing in things}
    if name not in by_name:
        raise UnknownNameError(what, name, by_name)
    return by_name[name]

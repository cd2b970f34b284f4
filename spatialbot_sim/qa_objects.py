"""What the simulation knows about the things that a colour picture shows."""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.annotated_scene import SceneObject, mask_box_px
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.transforms import invert
from spatialbot_sim.objects import (
    PlacedBoard,
    PlacedHolder,
    PlacedObject,
    PlacedObstacle,
    outside_by_m,
)
from spatialbot_sim.privileged import ThingTracker
from spatialbot_sim.world import FINGER_BODIES, ROBOT_PREFIX, World

HAND_NAME = "robot gripper"
VISIBLE_PX = 80
"""A thing that shows less is not spoken of, and its category is not counted."""

_HAND_BODIES = (f"{ROBOT_PREFIX}hand", *FINGER_BODIES)
_PLACES = {"board": "cutting board", "box": "open box", "area": "marked square", "stand": "stand"}
_OBSTACLES = {"carton": ("carton", "carton"), "tall bottle": ("tall bottle", "bottle")}
_CATEGORIES = frozenset(
    {"cube", "ball", "cup", "banana", "bottle", "can", "carton", *_PLACES.values()}
)
_TOUCH_M = 5e-4
_UPRIGHT_COSINE = 0.985
_ON_TABLE_M = 0.004

Thing = PlacedObject | PlacedBoard | PlacedHolder | PlacedObstacle


def visible_objects(
    world: World, cell: Cell, bodies: NDArray[np.int32]
) -> tuple[tuple[SceneObject, ...], tuple[str, ...]]:
    """Things that a picture shows, the robot's hand last when it is seen.

    Args:
        bodies: (H, W) body id of each pixel.

    Returns:
        The objects, and their body names ("" for the hand).
    """
    tracker = ThingTracker(world)
    boxes, poses = tracker.boxes(), tracker.poses()
    T_color_base = invert(cell.camera.T_base_color)
    objects, names = [], []
    for thing in things_of(world):
        mask = bodies == world.body_ids[thing.name]
        if np.count_nonzero(mask) < VISIBLE_PX:
            continue
        position_m = None
        if thing.name in boxes:
            center_m = (boxes[thing.name].low_m + boxes[thing.name].high_m) / 2
            position_m = T_color_base[:3, :3] @ center_m + T_color_base[:3, 3]
        upright = abs(poses[thing.name][2, 2]) > _UPRIGHT_COSINE
        name, category = _words(thing, world)
        size_m = _size_m(thing) if upright else None
        objects.append(SceneObject(name, category, mask_box_px(mask), mask, position_m, size_m))
        names.append(thing.name)
    hand = np.isin(bodies, [world.model.body(name).id for name in _HAND_BODIES])
    if np.count_nonzero(hand) >= VISIBLE_PX:
        objects.append(SceneObject(HAND_NAME, HAND_NAME, mask_box_px(hand), hand))
        names.append("")
    return tuple(objects), tuple(names)


def categories(world: World, visible: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Categories whose instances are all visible, and those of which there is nothing.

    What a printed picture shows is neither: people do not agree whether it counts.
    """
    printed = {sheet.item.kind for sheet in world.scene.prints}
    present, hidden = set(), set()
    for thing in things_of(world):
        category = _words(thing, world)[1]
        present.add(category)
        if thing.name not in visible:
            hidden.add(category)
    return frozenset(present - hidden - printed), frozenset(_CATEGORIES - present - printed)


def contacts(world: World, names: tuple[str, ...]) -> frozenset[tuple[int, int]] | None:
    """Pairs of visible things that touch; None where that is not clear.

    Marked squares are paint: what stands on the table within one touches it.
    """
    model, data = world.model, world.data
    owner = {world.body_ids[name]: index for index, name in enumerate(names) if name}
    if "" in names:
        owner |= {int(model.body(name).id): names.index("") for name in _HAND_BODIES}
    touching = set()
    for contact in data.contact[: data.ncon]:
        if contact.dist > _TOUCH_M:
            continue
        a, b = (owner.get(int(model.geom_bodyid[geom]), -1) for geom in contact.geom)
        if a != b and min(a, b) >= 0:
            touching.add((min(a, b), max(a, b)))
    boxes = ThingTracker(world).boxes()
    table_m = min((box.low_m[2] for box in boxes.values()), default=0.0)
    for area in (holder for holder in world.scene.holders if holder.kind == "area"):
        if area.name not in names:
            continue
        for index, name in enumerate(names):
            if name not in boxes or boxes[name].low_m[2] > table_m + _ON_TABLE_M:
                continue
            box = boxes[name]
            x_m, y_m = (box.low_m[:2] + box.high_m[:2]) / 2
            radius_m = float(np.max(box.high_m[:2] - box.low_m[:2])) / 2
            beyond_m = outside_by_m(area, float(x_m), float(y_m))
            if 0.0 <= beyond_m <= radius_m:
                return None
            if beyond_m < 0.0:
                other = names.index(area.name)
                touching.add((min(index, other), max(index, other)))
    return frozenset(touching)


def things_of(world: World) -> tuple[Thing, ...]:
    """Everything on the table but printed pictures."""
    scene = world.scene
    return (*scene.objects, *scene.boards, *scene.holders, *scene.obstacles)


def _words(thing: Thing, world: World) -> tuple[str, str]:
    """Name and category."""
    if isinstance(thing, PlacedObject):
        pictured = {(sheet.item.kind, sheet.item.color) for sheet in world.scene.prints}
        real = "real " if (thing.kind, thing.color) in pictured else ""
        return f"{real}{thing.color} {thing.kind}", thing.kind
    if isinstance(thing, PlacedObstacle):
        return _OBSTACLES[thing.kind]
    category = _PLACES[thing.kind]
    if isinstance(thing, PlacedBoard) or thing.kind == "stand":
        return category, category
    return f"{thing.color} {category.split()[-1]}", category


def _size_m(thing: Thing) -> NDArray[np.float64] | None:
    if isinstance(thing, PlacedObject):
        return np.array([2 * thing.extent.radius_m, thing.extent.height_m])
    if isinstance(thing, PlacedObstacle) or thing.kind == "area":
        return None
    half_m = thing.half_m
    return np.array([2 * half_m[:2].max(), 2 * half_m[2]])

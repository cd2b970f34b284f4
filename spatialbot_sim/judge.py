"""Ground truth: does the right object rest, released, where it was asked for, and nothing fell?

Judged from the poses and contacts of the simulated bodies alone, and from no past: an obstacle
that was touched is one that is touched now, or no longer stands where it stood.
Policies must not listen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import quaternion_to_matrix
from spatialbot_sim.objects import (
    STANDING,
    PlacedBoard,
    PlacedHolder,
    PlacedObject,
    PlacedThing,
    outside_by_m,
    surface_height_m,
)
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import FINGER_BODIES, ROBOT_PREFIX, TABLE_BODY, World

_REST_SPEED_M_S = 0.01
_HEIGHT_TOLERANCE_M = 0.004
"""Less than a board is thick, so that lying on the table is never taken for lying on a board."""
_LEFT_ALONE_M = 0.03
_UPRIGHT_COSINE = np.cos(np.radians(20.0))
_OBSTACLE_MOVED_M = 0.004
_OBSTACLE_COSINE = np.cos(np.radians(3.0))
COLLISION = "collision"
"""What the reason begins with when an obstacle was touched."""
FELL_OFF = "fell off the table"
"""What the reason ends with when the target cannot be reached any more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has become of the task.

    Attributes:
        success: the target rests, released, as asked for, and no obstacle was touched.
        reason: why not yet, in words; "" on success.
        target_position_m: (3,) centre of the target in `fr3_link0`.
        placement_error_m: horizontal distance from the target's centre to the destination's (for
            "outside": to the point aimed at).
        grasped: both fingers touch the target.
    """

    success: bool
    reason: str
    target_position_m: NDArray[np.float64]
    placement_error_m: float
    grasped: bool


def judge(world: World, scene: Scene) -> Verdict:
    """Compare the world's bodies with what the scene asks for.

    Raises:
        UnknownNameError: the scene's target or destination is not in it.
    """
    target = scene.object_named(scene.target)
    destination = scene.place_named(scene.destination)
    position_m = world.body_position_m(target.name)
    touching = touching_bodies(world, target.name)
    fingers = [name in touching for name in FINGER_BODIES]
    reason = _collision(world, scene) or _why_not(
        world, scene, target, destination, position_m, touching
    )
    x_m, y_m = scene.aim_xy_m or (destination.x_m, destination.y_m)
    error_m = float(np.hypot(position_m[0] - x_m, position_m[1] - y_m))
    return Verdict(not reason, reason, position_m, error_m, all(fingers))


def touching_bodies(world: World, name: str) -> frozenset[str]:
    """Names of the bodies in contact with a body."""
    bodies = world.model.geom_bodyid[world.data.contact.geom]
    own = bodies == world.body_ids[name]
    others = bodies[own.any(axis=1)][~own[own.any(axis=1)]]
    return frozenset(str(world.model.body(int(other)).name) for other in np.unique(others))


def _collision(world: World, scene: Scene) -> str:
    for obstacle in scene.obstacles:
        what = f"the {_words(obstacle.name)}"
        # sorted: the order of a set of texts changes from process to process
        for name in sorted(touching_bodies(world, obstacle.name)):
            if name.startswith(ROBOT_PREFIX) or name == scene.target:
                return f"{COLLISION}: the {_words(name)} touches {what}"
        if _uprightness(world, obstacle.name) < _OBSTACLE_COSINE:
            return f"{COLLISION}: {what} was tipped over"
        x_m, y_m = world.body_position_m(obstacle.name)[:2]
        if np.hypot(x_m - obstacle.x_m, y_m - obstacle.y_m) > _OBSTACLE_MOVED_M:
            return f"{COLLISION}: {what} was pushed away"
    return ""


def _why_not(
    world: World,
    scene: Scene,
    target: PlacedObject,
    destination: PlacedThing,
    position_m: NDArray[np.float64],
    touching: frozenset[str],
) -> str:
    what = f"the {_words(target.name)}"
    height_m = position_m[2] - _table_top_z_m(world) - target.rest_height_m
    if height_m < -target.rest_height_m:
        return f"{what} {FELL_OFF}"
    fingers = sum(name in touching for name in FINGER_BODIES)
    if fingers:
        return f"{what} is held" if fingers == 2 else f"the gripper still touches {what}"
    if not touching:
        return f"{what} is in the air"
    reason = _why_not_there(scene, target, destination, position_m, height_m, touching)
    if reason:
        return reason
    if target.kind in STANDING and _uprightness(world, target.name) <= _UPRIGHT_COSINE:
        return f"{what} has fallen over"
    if world.body_speed_m_s(target.name) > _REST_SPEED_M_S:
        return f"{what} is still moving"
    return ""


def _why_not_there(
    scene: Scene,
    target: PlacedObject,
    destination: PlacedThing,
    position_m: NDArray[np.float64],
    height_m: float,
    touching: frozenset[str],
) -> str:
    """Why the target, let go, does not lie as asked for; "" if it does."""
    what = f"the {_words(target.name)}"
    at_xy_m = (float(position_m[0]), float(position_m[1]))
    on_table = TABLE_BODY in touching and abs(height_m) < _HEIGHT_TOLERANCE_M
    if scene.relation == "outside":
        if outside_by_m(destination, *at_xy_m) < target.extent.radius_m:
            return f"{what} is not outside the {_words(destination.kind)}"
        others: tuple[PlacedThing, ...] = (*scene.boards, *scene.holders)
        on_something = any(_rests_on(place, at_xy_m, height_m) for place in others)
        if on_table or (on_something and not _among(scene, touching)):
            return ""
        return _where_instead(what, target, position_m, height_m, touching, destination)
    if isinstance(destination, PlacedHolder):
        if outside_by_m(destination, *at_xy_m) > 0:
            return _where_instead(what, target, position_m, height_m, touching, destination)
        surface_m = surface_height_m(destination)
        if abs(height_m - surface_m) > _HEIGHT_TOLERANCE_M:
            return f"{what} does not lie flat in the {_words(destination.kind)}"
        return ""
    # a board is 12 mm high; below the target there is nothing else of that height
    below = [board for board in scene.boards if _rests_on(board, at_xy_m, height_m)]
    if not below:
        return _where_instead(what, target, position_m, height_m, touching, destination)
    if below[0].name != destination.name:
        return f"{what} is on the wrong board, the {below[0].side} one"
    return ""


def _rests_on(place: PlacedThing, at_xy_m: tuple[float, float], height_m: float) -> bool:
    """The point lies above the place's rectangle, at the height of things that stand there."""
    lies = abs(height_m - surface_height_m(place)) < _HEIGHT_TOLERANCE_M
    return lies and outside_by_m(place, *at_xy_m) <= 0


def _among(scene: Scene, touching: frozenset[str]) -> bool:
    return any(item.name in touching for item in scene.objects)


def _where_instead(
    what: str,
    target: PlacedObject,
    position_m: NDArray[np.float64],
    height_m: float,
    touching: frozenset[str],
    destination: PlacedThing,
) -> str:
    resting = abs(height_m - target.base_z_m) < _HEIGHT_TOLERANCE_M
    moved_m = np.hypot(position_m[0] - target.x_m, position_m[1] - target.y_m)
    if resting and moved_m < _LEFT_ALONE_M:
        where = "still on the table" if TABLE_BODY in touching else "still where it was"
        return f"{what} is {where}"
    if TABLE_BODY in touching and abs(height_m) < _HEIGHT_TOLERANCE_M:
        beside = "boards" if isinstance(destination, PlacedBoard) else _words(destination.kind)
        return f"{what} is on the table beside the {beside}"
    others = sorted(_words(name) for name in touching if name != TABLE_BODY)
    return f"{what} does not lie flat; it touches the {' and the '.join(others or ['table'])}"


def _table_top_z_m(world: World) -> float:
    geom = world.model.geom("table_top")
    return float(world.data.geom_xpos[geom.id][2] + geom.size[2])


def _uprightness(world: World, name: str) -> float:
    """Cosine of the angle between a body's own vertical and the world's."""
    w, x, y, z = world.data.xquat[world.body_ids[name]]
    return float(quaternion_to_matrix([x, y, z, w])[2, 2])


def _words(name: str) -> str:
    return name.replace("_", " ").removeprefix("robot0 ")

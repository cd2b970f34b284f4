"""From a plan to positions: things get room for the hand, relations hold by their margin.

The area in front of the robot holds the objects, the two sides hold the boards. Many layouts are
tried at once; `solver` decides what was meant, and what is not clear is laid anew.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.objects import (
    CARTON_HALF_M,
    TALL_BOTTLE_RADIUS_M,
    ObstacleKind,
    PlacedBoard,
    PlacedHolder,
    PlacedObject,
    PlacedObstacle,
    Print,
    grasps_of,
    own_axes_xy,
)
from spatialbot_sim.objects.placed import STAND_HALF_M
from spatialbot_sim.tasks.pick_place import BOARD_X_M, BOARD_Y_M, BOARD_YAW_RAD
from spatialbot_sim.tasks.plan import Draw, Item, Plan
from spatialbot_sim.tasks.scene import Scene, place_of
from spatialbot_sim.tasks.sight import all_in_sight
from spatialbot_sim.tasks.solver import solve

REGION_X_M = (0.40, 0.62)
REGION_Y_M = (-0.130, 0.130)
_YAW_RAD = 0.25
_BATCH = 64
_GAP_M = (0.030, 0.058)
"""Room between two things along x and along y, where the open fingers go down."""
_LEAST_DISTANCE_M = 0.085
_PALM_ABOVE_TCP_M = 0.038
_PALM_HALF_M = (0.045, 0.112)
"""Half of the hand's body along x and y, with some room."""
_OBSTACLE_Y_M = (0.118, 0.135)
_HOLDER_Y_M = (0.072, 0.082)


@dataclass(frozen=True, slots=True)
class _Spot:
    """What needs room in the middle: half extents, and how far its centre is off."""

    half_m: tuple[float, float]
    shift_x_m: float = 0.0


def lay(plan: Plan, draw: Draw, task: str, seed: int) -> Scene | None:
    """One attempt to lay the table as planned; None when something does not fit."""
    boards, holders = _lay_sides(plan, draw)
    side = _side_of_destination(plan, boards, holders)
    xy = _positions(plan, draw, side)
    if xy is None:
        return None
    names = _names(plan.items)
    objects = tuple(
        PlacedObject(
            name,
            item.kind,
            item.color,
            float(x),
            float(y),
            float(draw.rng.uniform(-_YAW_RAD, _YAW_RAD)),
            item.width_scale,
            item.height_scale,
            item.base_z_m,
            item.pattern,
        )
        for name, item, (x, y) in zip(names, plan.items, xy, strict=False)
    )
    holders += _middle_holders(plan, draw, objects)
    prints = tuple(
        Print(f"print_{k + 1}", _printed(draw, objects[0], k, xy[len(objects) + k]))
        for k in range(plan.num_prints)
    )
    scene = Scene(
        task=task,
        seed=seed,
        instruction="",
        target=objects[0].name,
        destination="",
        objects=objects,
        boards=boards,
        holders=holders,
        prints=prints,
        relation=plan.meaning.place_relation,
    )
    target, destination = (fit.only for fit in solve(plan.meaning, scene))
    if target is None or destination is None:
        return None
    scene = replace(scene, target=target, destination=destination)
    if scene.relation == "outside":
        aim = _aim_outside(scene, draw)
        if aim is None:
            return None
        scene = replace(scene, aim_xy_m=aim)
    scene = replace(scene, obstacles=_lay_obstacles(plan, draw, scene, side))
    return scene if _hand_fits(scene) and all_in_sight(scene) else None


def _lay_sides(plan: Plan, draw: Draw) -> tuple[tuple[PlacedBoard, ...], tuple[PlacedHolder, ...]]:
    """Two boards, or a board and whatever else is the destination."""
    rng, which = draw.rng, plan.meaning.place.relation
    x = rng.uniform(*BOARD_X_M, 2)
    y = rng.uniform(max(BOARD_Y_M[0], 0.28), BOARD_Y_M[1], 2)
    yaw = rng.uniform(-BOARD_YAW_RAD, BOARD_YAW_RAD, 2)
    scales = [1.0, 1.0]
    if which is not None and which.word in ("large", "small"):
        scales = [float(s) for s in rng.permutation(draw.grammar.places["board"].scales)]
    boards = (
        PlacedBoard("left_board", "left", float(x[0]), -float(y[0]), float(yaw[0]), scales[0]),
        PlacedBoard("right_board", "right", float(x[1]), float(y[1]), float(yaw[1]), scales[1]),
    )
    kind = plan.meaning.place_kind
    if kind == "board" or plan.meaning.place_relation == "outside":
        return boards, ()
    side = int(rng.integers(2))
    color = plan.meaning.place.named.color or draw.pick(draw.grammar.places[kind].colors)
    gone = boards[side]
    holder = PlacedHolder(kind, kind, color, gone.x_m, gone.y_m, gone.yaw_rad)
    return (boards[1 - side],), (holder,)


def _side_of_destination(
    plan: Plan, boards: tuple[PlacedBoard, ...], holders: tuple[PlacedHolder, ...]
) -> float:
    """-1 or +1: the sign of y where the target goes; only obstacles need it."""
    scene = Scene("", 0, "", "", "", (), boards, holders)
    name = solve(plan.meaning, scene)[1].only
    if name is None:
        return 1.0
    return float(np.sign(scene.place_named(name).y_m))


def _positions(plan: Plan, draw: Draw, side: float) -> NDArray[np.float64] | None:
    """(N, 2) centres of items and prints with room between them, or None."""
    spots = [_spot_of(item) for item in plan.items]
    spots += [_print_spot(plan.items[0])] * plan.num_prints
    low = np.tile([REGION_X_M[0], REGION_Y_M[0]], (len(spots), 1))
    high = np.tile([REGION_X_M[1], REGION_Y_M[1]], (len(spots), 1))
    if plan.held is not None:
        holder_side = float(draw.pick((-1.0, 1.0)))
        low[:, 1] = np.minimum(holder_side * -0.13, holder_side * -0.085)
        high[:, 1] = np.maximum(holder_side * -0.13, holder_side * -0.085)
        inside = np.sort(np.multiply(holder_side, _HOLDER_Y_M))
        low[plan.held], high[plan.held] = (0.48, inside[0]), (0.55, inside[1])
    if plan.num_obstacles:
        # the target starts where the hand can close without meeting the obstacle
        ends = np.sort([side * -0.13, side * -0.005])
        low[0, 1], high[0, 1] = ends
        low[1:, 1], high[1:, 1] = np.sort([side * -0.13, side * 0.04])
    xy = draw.rng.uniform(low, high, (_BATCH, len(spots), 2))
    if len(spots) == 1:
        return np.asarray(xy[0])
    half = np.array([spot.half_m for spot in spots])
    centers = xy + np.array([(spot.shift_x_m, 0.0) for spot in spots])
    need = half[:, None] + half[None] + _GAP_M
    apart = np.abs(centers[:, :, None] - centers[:, None])
    far = np.linalg.norm(xy[:, :, None] - xy[:, None], axis=-1) >= _LEAST_DISTANCE_M
    ok = (apart >= need).any(axis=-1) & far
    first, second = np.triu_indices(len(spots), 1)
    good = np.flatnonzero(ok[:, first, second].all(axis=1))
    return None if len(good) == 0 else np.asarray(xy[good[0]])


def _spot_of(item: Item) -> _Spot:
    extent = PlacedObject("", item.kind, item.color, 0, 0, 0, item.width_scale).extent
    half_x, half_y = extent.length_m / 2, extent.width_m / 2
    if item.kind == "banana":
        # it lies turned a little
        half_y += 0.25 * half_x
    if item.base_z_m > 0:
        return _Spot(STAND_HALF_M)
    # a cup's handle sticks out along x
    return _Spot((half_x + (0.018 if item.kind == "cup" else 0.0), half_y))


def _print_spot(item: Item) -> _Spot:
    """A sheet reaches away from the camera, as a shadow would."""
    spot = _spot_of(item)
    extent = PlacedObject(
        "", item.kind, item.color, 0, 0, 0, item.width_scale, item.height_scale
    ).extent
    reach_m = 1.3 * extent.height_m
    half_x = spot.half_m[0] + reach_m / 2 + 0.01
    return _Spot((half_x, spot.half_m[1] + 0.012), -reach_m / 2)


def _printed(draw: Draw, item: PlacedObject, index: int, xy: NDArray[np.float64]) -> PlacedObject:
    yaw_rad = float(draw.rng.uniform(-_YAW_RAD, _YAW_RAD))
    return PlacedObject(
        f"printed_{item.name}_{index + 1}", item.kind, item.color, float(xy[0]), float(xy[1]),
        yaw_rad, item.width_scale, item.height_scale, 0.0, item.pattern,
    )  # fmt: skip


def _middle_holders(
    plan: Plan, draw: Draw, objects: tuple[PlacedObject, ...]
) -> tuple[PlacedHolder, ...]:
    """Stands below what is raised, and the box or area around what is held."""
    holders: list[PlacedHolder] = []
    for item in objects:
        if item.base_z_m > 0:
            color = draw.pick(draw.grammar.places["stand"].colors)
            name = f"stand_{len(holders) + 1}"
            holders.append(
                PlacedHolder(name, "stand", color, item.x_m, item.y_m, 0.0, item.base_z_m)
            )
    if plan.middle is not None and plan.held is not None:
        item = objects[plan.held]
        is_destination = plan.meaning.place_kind == plan.middle
        said = plan.meaning.place.named.color if is_destination else None
        color = said or draw.pick(draw.grammar.places[plan.middle].colors)
        off = draw.rng.uniform(-0.006, 0.006, 2)
        name = f"middle_{plan.middle}"
        holders.append(
            PlacedHolder(
                name, plan.middle, color, item.x_m + float(off[0]), item.y_m + float(off[1]), 0.0
            )
        )
    return tuple(holders)


def _lay_obstacles(plan: Plan, draw: Draw, scene: Scene, side: float) -> tuple[PlacedObstacle, ...]:
    """Tall things on the straight way from target to destination."""
    target = scene.object_named(scene.target)
    place = scene.place_named(scene.destination)
    obstacles: list[PlacedObstacle] = []
    for index in range(plan.num_obstacles):
        kind: ObstacleKind = draw.pick(tuple(draw.grammar.obstacles))
        if index == 0 and plan.meaning.avoid is not None:
            kind = next(k for k in draw.grammar.obstacles if k == plan.meaning.avoid)
        elif index == 1:
            kind = "tall bottle" if obstacles[0].kind == "carton" else "carton"
        y_m = side * float(draw.rng.uniform(*_OBSTACLE_Y_M))
        share = (y_m - target.y_m) / (place.y_m - target.y_m)
        x_m = target.x_m + share * (place.x_m - target.x_m)
        x_m += float(draw.rng.uniform(-0.015, 0.015))
        if index == 1:
            x_m = obstacles[0].x_m + float(draw.pick((-1.0, 1.0)) * draw.rng.uniform(0.09, 0.12))
        height_m = float(draw.rng.uniform(*draw.grammar.obstacles[kind].height_m))
        yaw_rad = float(draw.rng.uniform(-0.2, 0.2))
        obstacles.append(PlacedObstacle(kind.replace(" ", "_"), kind, x_m, y_m, yaw_rad, height_m))
    return tuple(obstacles)


def _aim_outside(scene: Scene, draw: Draw) -> tuple[float, float] | None:
    """A free point of the table outside the destination, far from everything."""
    place = scene.place_named(scene.destination)
    points = draw.rng.uniform(
        (REGION_X_M[0], REGION_Y_M[0]), (REGION_X_M[1], REGION_Y_M[1]), (_BATCH, 2)
    )
    radius_m = scene.object_named(scene.target).extent.radius_m
    for x_m, y_m in points:
        along, across = own_axes_xy(place, x_m, y_m)
        beyond = np.abs([along, across]) - place.half_m[:2] - radius_m
        others = [item for item in scene.objects if item.name != scene.target]
        free = all(np.hypot(x_m - o.x_m, y_m - o.y_m) > 0.13 for o in others)
        if beyond.max() > 0.03 and free:
            return float(x_m), float(y_m)
    return None


def _hand_fits(scene: Scene) -> bool:
    """The palm meets nothing tall, neither where it takes the target nor where it leaves it."""
    target = scene.object_named(scene.target)
    grasp_m = float(grasps_of(target)[0].point_m[2]) + target.rest_height_m
    place = place_of(scene, 0.0)
    release_m = place.center_m[2] - target.rest_height_m + grasp_m
    tall = [
        (item.x_m, item.y_m, item.extent.length_m / 2, item.extent.width_m / 2, item.top_z_m)
        for item in scene.objects
        if item.name != target.name
    ]
    for obstacle in scene.obstacles:
        half = CARTON_HALF_M if obstacle.kind == "carton" else TALL_BOTTLE_RADIUS_M
        tall.append((obstacle.x_m, obstacle.y_m, half, half, obstacle.height_m))
    spots = (
        (target.x_m, target.y_m, target.base_z_m + grasp_m),
        (place.center_m[0], place.center_m[1], release_m),
    )
    for x_m, y_m, tcp_m in spots:
        for other_x, other_y, half_x, half_y, top_m in tall:
            if top_m < tcp_m + _PALM_ABOVE_TCP_M:
                continue
            beside = abs(other_x - x_m) > half_x + _PALM_HALF_M[0]
            if not beside and abs(other_y - y_m) < half_y + _PALM_HALF_M[1]:
                return False
    return True


def _names(items: list[Item]) -> list[str]:
    """Such as `red_cup`, numbered where there are several."""
    names: list[str] = []
    for item in items:
        stem = f"{item.color}_{item.kind}"
        same = sum(other.color == item.color and other.kind == item.kind for other in items)
        number = 1 + sum(name.startswith(stem) for name in names)
        names.append(stem if same == 1 else f"{stem}_{number}")
    return names

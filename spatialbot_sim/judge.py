"""Ground truth: does the right object rest, released, on the right board?

Judged from the poses and contacts of the simulated bodies alone. Policies must not listen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import quaternion_to_matrix
from spatialbot_sim.objects import BOARD_HALF_M, PlacedBoard, PlacedObject
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import FINGER_BODIES, TABLE_BODY, World

_REST_SPEED_M_S = 0.01
_HEIGHT_TOLERANCE_M = 0.004
"""Less than a board is thick, so that lying on the table is never taken for lying on a board."""
_LEFT_ALONE_M = 0.03
_UPRIGHT_COSINE = np.cos(np.radians(20.0))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has become of the task.

    Attributes:
        success: the target rests, released, on the destination.
        reason: why not yet, in words; "" on success.
        target_position_m: (3,) centre of the target in `fr3_link0`.
        placement_error_m: horizontal distance from the target's centre to the destination's.
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
    destination = scene.board_named(scene.destination)
    position_m = world.body_position_m(target.name)
    touching = _touching(world, target.name)
    fingers = [name in touching for name in FINGER_BODIES]
    reason = _why_not(world, scene, target, destination, position_m, touching)
    error_m = float(np.hypot(position_m[0] - destination.x_m, position_m[1] - destination.y_m))
    return Verdict(not reason, reason, position_m, error_m, all(fingers))


def _why_not(
    world: World,
    scene: Scene,
    target: PlacedObject,
    destination: PlacedBoard,
    position_m: NDArray[np.float64],
    touching: frozenset[str],
) -> str:
    what = f"the {_words(target.name)}"
    table_top_z_m = world.body_position_m(destination.name)[2] - BOARD_HALF_M[2]
    height_m = position_m[2] - table_top_z_m - target.rest_height_m
    if height_m < -target.rest_height_m:
        return f"{what} fell off the table"
    fingers = sum(name in touching for name in FINGER_BODIES)
    if fingers:
        return f"{what} is held" if fingers == 2 else f"the gripper still touches {what}"
    if not touching:
        return f"{what} is in the air"
    # a board is 12 mm high; the table and its boards are the only things to rest on
    on_board_height = abs(height_m - 2 * BOARD_HALF_M[2]) < _HEIGHT_TOLERANCE_M
    below = [board for board in scene.boards if _is_over(board, position_m)]
    if not (on_board_height and below):
        return _where_instead(what, target, position_m, height_m, touching)
    if below[0].name != destination.name:
        return f"{what} is on the wrong board, the {below[0].side} one"
    if target.kind == "cup" and not _is_upright(world, target.name):
        return f"{what} has fallen over"
    if world.body_speed_m_s(target.name) > _REST_SPEED_M_S:
        return f"{what} is still moving"
    return ""


def _where_instead(
    what: str,
    target: PlacedObject,
    position_m: NDArray[np.float64],
    height_m: float,
    touching: frozenset[str],
) -> str:
    if TABLE_BODY in touching and abs(height_m) < _HEIGHT_TOLERANCE_M:
        moved_m = np.hypot(position_m[0] - target.x_m, position_m[1] - target.y_m)
        return (
            f"{what} is still on the table"
            if moved_m < _LEFT_ALONE_M
            else f"{what} is on the table beside the boards"
        )
    others = sorted(_words(name) for name in touching if name != TABLE_BODY)
    return f"{what} does not lie flat; it touches the {' and the '.join(others or ['table'])}"


def _touching(world: World, name: str) -> frozenset[str]:
    """Names of the bodies in contact with a body."""
    bodies = world.model.geom_bodyid[world.data.contact.geom]
    own = bodies == world.body_ids[name]
    others = bodies[own.any(axis=1)][~own[own.any(axis=1)]]
    return frozenset(str(world.model.body(int(other)).name) for other in np.unique(others))


def _is_over(board: PlacedBoard, position_m: NDArray[np.float64]) -> bool:
    """True when the point lies above the board's rectangle."""
    dx, dy = position_m[0] - board.x_m, position_m[1] - board.y_m
    cos, sin = np.cos(board.yaw_rad), np.sin(board.yaw_rad)
    along, across = cos * dx + sin * dy, cos * dy - sin * dx
    return bool(abs(along) <= BOARD_HALF_M[0] and abs(across) <= BOARD_HALF_M[1])


def _is_upright(world: World, name: str) -> bool:
    w, x, y, z = world.data.xquat[world.body_ids[name]]
    return bool(quaternion_to_matrix([x, y, z, w])[2, 2] > _UPRIGHT_COSINE)


def _words(name: str) -> str:
    return name.replace("_", " ").removeprefix("robot0 ")

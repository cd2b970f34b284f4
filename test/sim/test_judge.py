"""Every way a pick and place can end, laid out by hand and judged."""

import mujoco
import numpy as np
import pytest

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_sim.judge import judge
from spatialbot_sim.objects import BOARD_HALF_M, PlacedBoard, PlacedObject
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import FINGER_NAMES, World, build_world, settle

BOARD_TOP_M = 2 * BOARD_HALF_M[2]
KINDS = ("cube", "ball", "cup")
LEFT = PlacedBoard("left_board", "left", 0.5, -0.28, 0.3)
RIGHT = PlacedBoard("right_board", "right", 0.5, 0.28, 0.0)


def make_world(cell: Cell, kind: str) -> World:
    target = PlacedObject("red_target", kind, "red", 0.45, 0.0, 0.0)
    other = PlacedObject("blue_cube", "cube", "blue", 0.55, 0.1, 0.0)
    scene = Scene(
        "test", 0, "-", "red_target", "left_board", objects=(target, other), boards=(LEFT, RIGHT)
    )
    world = build_world(scene, cell)
    settle(world)
    return world


def put(world: World, name: str, position_m: tuple[float, float, float], tilt: float = 0.0) -> None:
    """Set a free body down, tilted about x, at rest."""
    address = world.model.joint(f"{name}_joint").qposadr[0]
    quaternion = (np.cos(tilt / 2), np.sin(tilt / 2), 0.0, 0.0)
    world.data.qpos[address : address + 7] = (*position_m, *quaternion)
    world.data.qvel[:] = 0.0
    mujoco.mj_forward(world.model, world.data)


def put_on(world: World, board: PlacedBoard, dx_m: float = 0.0, dy_m: float = 0.0) -> None:
    """Lay the target on a board, off its centre by an amount along the board's own axes."""
    cos, sin = np.cos(board.yaw_rad), np.sin(board.yaw_rad)
    x_m = board.x_m + cos * dx_m - sin * dy_m
    y_m = board.y_m + sin * dx_m + cos * dy_m
    height_m = world.scene.object_named("red_target").rest_height_m
    put(world, "red_target", (x_m, y_m, BOARD_TOP_M + height_m + 0.001))


def step(world: World, seconds: float = 0.3) -> None:
    """Advance with the arm held where it is."""
    home = world.data.qpos[:9].copy()
    for _ in range(round(seconds / world.model.opt.timestep)):
        mujoco.mj_step(world.model, world.data)
        world.data.qpos[:9], world.data.qvel[:9] = home, 0.0
    mujoco.mj_forward(world.model, world.data)


@pytest.fixture
def cube_world(cell: Cell) -> World:
    return make_world(cell, "cube")


@pytest.mark.parametrize("kind", KINDS)
def test_at_rest_on_the_destination_is_success(cell: Cell, kind: str) -> None:
    world = make_world(cell, kind)
    put_on(world, LEFT, 0.03, 0.04)
    step(world)
    verdict = judge(world, world.scene)
    assert verdict.success, verdict.reason
    assert verdict.reason == "" and not verdict.grasped
    assert verdict.placement_error_m == pytest.approx(0.05, abs=0.003)
    assert verdict.target_position_m == pytest.approx(world.body_position_m("red_target"))


@pytest.mark.parametrize("kind", KINDS)
def test_untouched_target_is_still_on_the_table(cell: Cell, kind: str) -> None:
    world = make_world(cell, kind)
    verdict = judge(world, world.scene)
    assert not verdict.success
    assert verdict.reason == "the red target is still on the table"
    assert verdict.placement_error_m == pytest.approx(np.hypot(0.05, 0.28), abs=0.003)


def test_dropped_beside_the_board(cube_world: World) -> None:
    put(cube_world, "red_target", (0.5, -0.10, 0.021))
    step(cube_world)
    assert "table beside the boards" in judge(cube_world, cube_world.scene).reason


def test_the_footprint_turns_with_the_board(cube_world: World) -> None:
    """The board is 20 cm along its x and 16 cm along y; 9 cm lie inside only along x."""
    put_on(cube_world, LEFT, dx_m=0.09)
    step(cube_world)
    assert judge(cube_world, cube_world.scene).success
    put_on(cube_world, LEFT, dy_m=0.09)
    step(cube_world)
    assert not judge(cube_world, cube_world.scene).success


def test_wrong_board(cube_world: World) -> None:
    put_on(cube_world, RIGHT)
    step(cube_world)
    verdict = judge(cube_world, cube_world.scene)
    assert not verdict.success
    assert verdict.reason == "the red target is on the wrong board, the right one"


def test_wrong_object_on_the_right_board(cube_world: World) -> None:
    put(cube_world, "blue_cube", (LEFT.x_m, LEFT.y_m, BOARD_TOP_M + 0.021))
    step(cube_world)
    assert "still on the table" in judge(cube_world, cube_world.scene).reason


def test_in_the_air_above_the_board(cube_world: World) -> None:
    put(cube_world, "red_target", (LEFT.x_m, LEFT.y_m, 0.10))
    assert judge(cube_world, cube_world.scene).reason == "the red target is in the air"


def test_stacked_on_another_object(cube_world: World) -> None:
    put(cube_world, "blue_cube", (LEFT.x_m, LEFT.y_m, BOARD_TOP_M + 0.0199))
    put(cube_world, "red_target", (LEFT.x_m, LEFT.y_m, BOARD_TOP_M + 0.0597))
    step(cube_world)
    verdict = judge(cube_world, cube_world.scene)
    assert not verdict.success
    assert "touches the blue cube" in verdict.reason


def test_still_rolling(cell: Cell) -> None:
    world = make_world(cell, "ball")
    put_on(world, LEFT)
    step(world)
    world.data.qvel[world.model.joint("red_target_joint").dofadr[0]] = 0.05
    assert judge(world, world.scene).reason == "the red target is still moving"


def test_a_cup_on_its_side_has_fallen_over(cell: Cell) -> None:
    world = make_world(cell, "cup")
    put(world, "red_target", (LEFT.x_m, LEFT.y_m, BOARD_TOP_M + 0.0262), tilt=np.pi / 2)
    step(world)
    assert judge(world, world.scene).reason == "the red target has fallen over"


def test_fell_off_the_table(cube_world: World) -> None:
    put(cube_world, "red_target", (1.3, 0.0, -0.2))
    assert judge(cube_world, cube_world.scene).reason == "the red target fell off the table"


def test_between_the_fingers_it_is_held(cube_world: World, cell: Cell) -> None:
    x_m, y_m, z_m = cell.home_tcp_m
    put(cube_world, "red_target", (x_m, y_m, z_m))
    for name in FINGER_NAMES:
        cube_world.data.qpos[cube_world.model.joint(name).qposadr[0]] = 0.0195
    mujoco.mj_forward(cube_world.model, cube_world.data)
    verdict = judge(cube_world, cube_world.scene)
    assert verdict.grasped
    assert verdict.reason == "the red target is held"


def test_touched_by_one_finger_is_not_released(cube_world: World, cell: Cell) -> None:
    x_m, y_m, z_m = cell.home_tcp_m
    # the open fingers stand 4 cm to each side of the tool centre point
    put(cube_world, "red_target", (x_m, y_m - 0.0205, z_m))
    verdict = judge(cube_world, cube_world.scene)
    assert verdict.reason == "the gripper still touches the red target"
    assert not verdict.grasped


def test_unknown_destination(cube_world: World) -> None:
    scene = Scene("t", 0, "-", "red_target", "middle_board", cube_world.scene.objects, (LEFT,))
    with pytest.raises(UnknownNameError, match="left_board"):
        judge(cube_world, scene)

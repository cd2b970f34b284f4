"""The compiled world agrees with the cell's description, and things stay where they are put."""

import mujoco
import numpy as np
import pytest

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import SimulationError, UnknownNameError
from spatialbot_model.contracts.transforms import Matrix, compose, rotation_vector
from spatialbot_sim.objects import BOARD_HALF_M, COLORS, PlacedObject, rest_height_m
from spatialbot_sim.tasks import Scene, sample_scene
from spatialbot_sim.world import (
    COLOR_CAMERA,
    DEPTH_CAMERA,
    FINGER_BODIES,
    FINGER_NAMES,
    JOINT_NAMES,
    ROBOT_PREFIX,
    TIMESTEP_S,
    World,
    build_world,
    set_arm,
    settle,
)

SEEDS = range(12)


@pytest.fixture(scope="module")
def world(cell: Cell) -> World:
    return build_world(sample_scene("pick_place", 0), cell)


@pytest.mark.parametrize("camera", [COLOR_CAMERA, DEPTH_CAMERA])
def test_camera_frames_agree_with_the_cell(world: World, cell: Cell, camera: str) -> None:
    expected: Matrix = (
        cell.camera.T_base_color if camera == COLOR_CAMERA else cell.camera.T_base_depth
    )
    seen = world.data.camera(camera)
    # MuJoCo cameras look along -z with y up
    T = compose(seen.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0]), seen.xpos)
    assert T[:3, 3] == pytest.approx(expected[:3, 3], abs=1e-6)
    assert np.linalg.norm(rotation_vector(T[:3, :3].T @ expected[:3, :3])) < 1e-6


def test_home_joints_lead_to_the_home_tcp(world: World, cell: Cell) -> None:
    pads_m = []
    for name in FINGER_BODIES:
        body = world.model.body(name).id
        first = world.model.body_geomadr[body]
        geoms = range(first, first + world.model.body_geomnum[body])
        boxes = [g for g in geoms if world.model.geom_type[g] == mujoco.mjtGeom.mjGEOM_BOX]
        pad = max(boxes, key=lambda g: world.model.geom_size[g].prod())
        pads_m.append(world.data.geom_xpos[pad])
    assert np.mean(pads_m, axis=0) == pytest.approx(cell.home_tcp_m, abs=1e-3)
    hand = world.data.body(f"{ROBOT_PREFIX}hand").xmat.reshape(3, 3)
    assert hand[:, 2] == pytest.approx([0.0, 0.0, -1.0], abs=1e-3)


def test_hand_is_open_and_closes_along_y(world: World) -> None:
    left, right = (world.data.body(name).xpos for name in FINGER_BODIES)
    assert right - left == pytest.approx([0.0, 0.08, 0.0], abs=1e-3)


def test_table_top_is_where_the_cell_says(world: World, cell: Cell) -> None:
    geom = world.model.geom("table_top")
    top_m = world.data.geom_xpos[geom.id][2] + geom.size[2]
    assert top_m == pytest.approx(cell.table_top_z_m, abs=1e-9)
    assert world.data.geom_xpos[geom.id][:2] == pytest.approx(cell.table_center_xy_m)
    assert 2 * geom.size[:2] == pytest.approx(cell.table_size_xy_m)


@pytest.mark.parametrize("seed", SEEDS)
def test_objects_settle_where_they_were_placed(cell: Cell, seed: int) -> None:
    world = build_world(sample_scene("pick_place", seed), cell)
    before = world.data.qpos.copy()
    settle(world)
    for item in world.scene.objects:
        expected_m = (item.x_m, item.y_m, cell.table_top_z_m + item.rest_height_m)
        assert world.body_position_m(item.name) == pytest.approx(expected_m, abs=1e-3)
        assert world.body_speed_m_s(item.name) < 5e-3
    for board in world.scene.boards:
        expected_m = (board.x_m, board.y_m, cell.table_top_z_m + BOARD_HALF_M[2])
        assert world.body_position_m(board.name) == pytest.approx(expected_m, abs=1e-6)
    arm = [world.model.joint(name).qposadr[0] for name in (*JOINT_NAMES, *FINGER_NAMES)]
    assert np.array_equal(world.data.qpos[arm], before[arm])
    assert world.data.time == 0.0


@pytest.mark.parametrize("kind", ["cube", "ball", "cup"])
def test_objects_stay_at_rest(cell: Cell, kind: str) -> None:
    """A ball must not creep away while the arm is on its way."""
    scene = Scene("t", 0, "-", "a", "-", (PlacedObject("a", kind, "red", 0.5, 0.0, 0.2),), ())
    world = build_world(scene, cell)
    settle(world)
    start_m = world.body_position_m("a")
    arm = world.data.qpos[:9].copy()
    for _ in range(2000):
        mujoco.mj_step(world.model, world.data)
        world.data.qpos[:9], world.data.qvel[:9] = arm, 0.0
    mujoco.mj_forward(world.model, world.data)
    assert np.linalg.norm(world.body_position_m("a") - start_m) < 5e-4


@pytest.mark.parametrize("x_m", [0.05, 0.0, -0.2])
def test_settle_refuses_what_does_not_stay(cell: Cell, x_m: float) -> None:
    """Inside the robot's base (pushed away or into the table) and beside the table (falls)."""
    item = PlacedObject("a", "cube", "red", x_m, 0.05 if x_m <= 0.0 else 0.0, 0.0)
    world = build_world(Scene("t", 0, "-", "a", "-", (item,), ()), cell)
    with pytest.raises(SimulationError, match="home"):
        settle(world)


def test_set_arm_stops_the_arm_and_leaves_the_objects(cell: Cell) -> None:
    world = build_world(sample_scene("pick_place", 1), cell)
    objects = world.data.qpos[9:].copy()
    world.data.qvel[:] = 1.0
    q_rad = cell.home_joints_rad + 0.1
    set_arm(world, q_rad, np.array([0.01, 0.02]))
    assert world.data.qpos[:9] == pytest.approx([*q_rad, 0.01, 0.02])
    assert not world.data.qvel[:9].any()
    assert np.array_equal(world.data.qpos[9:], objects)


def test_equal_scenes_give_equal_worlds(cell: Cell) -> None:
    def positions() -> np.ndarray:
        world = build_world(sample_scene("pick_place", 3), cell)
        settle(world)
        for _ in range(100):
            mujoco.mj_step(world.model, world.data)
        return world.data.qpos.copy()

    assert np.array_equal(positions(), positions())


def test_nothing_drives_the_joints_but_torques(world: World) -> None:
    assert world.model.nu == 0
    assert world.model.opt.timestep == TIMESTEP_S


def test_graspable_objects_fit_the_hand() -> None:
    for kind in ("cube", "ball", "cup"):
        assert 0.015 < rest_height_m(kind) < 0.03
    with pytest.raises(UnknownNameError, match="cube"):
        rest_height_m("teapot")


@pytest.mark.parametrize("kind", ["cube", "ball", "cup"])
def test_objects_weigh_what_things_weigh(cell: Cell, kind: str) -> None:
    scene = Scene("t", 0, "-", "a", "-", (PlacedObject("a", kind, "blue", 0.5, 0.0, 0.0),), ())
    world = build_world(scene, cell)
    assert 0.03 < world.model.body("a").mass[0] < 0.12


def test_colours_are_saturated() -> None:
    for rgb in COLORS.values():
        assert max(rgb) > 0.5 and min(rgb) < 0.2 * max(rgb)


def test_a_name_twice_is_refused(cell: Cell) -> None:
    item = PlacedObject("a", "cube", "red", 0.5, 0.0, 0.0)
    with pytest.raises(SimulationError, match="repeated name"):
        build_world(Scene("t", 0, "-", "a", "-", (item, item), ()), cell)

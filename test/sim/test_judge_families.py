"""The judge on scenes of SpatialQA-E, bodies put down by hand."""

import mujoco
import numpy as np
import pytest

from spatialbot_model.contracts.cell import Cell
from spatialbot_sim.judge import COLLISION, judge
from spatialbot_sim.tasks import TASKS, Scene, place_of, sample_scene
from spatialbot_sim.world import World, build_world, settle

FAMILIES = tuple(name for name in TASKS if name.startswith("spatialqa_e_"))
ARM_JOINTS = 9


def lay(cell: Cell, scene: Scene) -> World:
    world = build_world(scene, cell)
    settle(world)
    return world


def first_scene(task: str, relation: str) -> Scene:
    """The first scene of a family whose goal is such a relation."""
    return next(s for s in (sample_scene(task, k) for k in range(400)) if s.relation == relation)


def put(world: World, name: str, position_m: np.ndarray, tilt_rad: float = 0.0) -> None:
    """Set a free body down, tilted about x, at rest."""
    address = world.model.joint(f"{name}_joint").qposadr[0]
    quaternion = (np.cos(tilt_rad / 2), np.sin(tilt_rad / 2), 0.0, 0.0)
    world.data.qpos[address : address + 7] = (*position_m, *quaternion)
    world.data.qvel[:] = 0.0
    mujoco.mj_forward(world.model, world.data)


def solve_by_hand(world: World, cell: Cell, dx_m: float = 0.0, dy_m: float = 0.0) -> None:
    """Put the target where it belongs, off by an amount, and wait."""
    scene = world.scene
    at_m = place_of(scene, cell.table_top_z_m).center_m + np.array([dx_m, dy_m, 0.001])
    put(world, scene.target, at_m)
    step(world)


def step(world: World, seconds: float = 0.3) -> None:
    """Advance with the arm held where it is."""
    home = world.data.qpos[:ARM_JOINTS].copy()
    for _ in range(round(seconds / world.model.opt.timestep)):
        mujoco.mj_step(world.model, world.data)
        world.data.qpos[:ARM_JOINTS], world.data.qvel[:ARM_JOINTS] = home, 0.0
    mujoco.mj_forward(world.model, world.data)


@pytest.mark.parametrize("task", FAMILIES)
def test_nothing_is_done_at_first_and_all_is_done_at_the_aim(cell: Cell, task: str) -> None:
    world = lay(cell, sample_scene(task, 1))
    assert not judge(world, world.scene).success
    solve_by_hand(world, cell)
    verdict = judge(world, world.scene)
    assert verdict.success, (verdict.reason, world.scene)
    assert verdict.placement_error_m < 0.01


@pytest.mark.parametrize("relation", ["in", "inside"])
def test_beside_the_box_is_not_in_it(cell: Cell, relation: str) -> None:
    world = lay(cell, first_scene("spatialqa_e_containment", relation))
    solve_by_hand(world, cell, dx_m=-0.15)
    reason = judge(world, world.scene).reason
    assert "on the table beside the" in reason, (reason, world.scene)


def test_still_inside_is_not_outside(cell: Cell) -> None:
    world = lay(cell, first_scene("spatialqa_e_containment", "outside"))
    verdict = judge(world, world.scene)
    assert "is not outside the area" in verdict.reason
    solve_by_hand(world, cell)
    assert judge(world, world.scene).success


@pytest.fixture
def way(cell: Cell) -> World:
    """The target has arrived; an obstacle stood in the way."""
    world = lay(cell, sample_scene("spatialqa_e_obstacle", 2))
    solve_by_hand(world, cell)
    assert judge(world, world.scene).success
    return world


def test_an_obstacle_that_was_tipped_over_spoils_success(way: World) -> None:
    obstacle = way.scene.obstacles[0]
    position_m = way.body_position_m(obstacle.name)
    put(way, obstacle.name, np.array([*position_m[:2], 0.05]), tilt_rad=np.pi / 2)
    reason = judge(way, way.scene).reason
    assert reason.startswith(COLLISION) and "tipped over" in reason


def test_an_obstacle_that_was_pushed_spoils_success(way: World) -> None:
    obstacle = way.scene.obstacles[0]
    put(way, obstacle.name, way.body_position_m(obstacle.name) - np.array([0.01, 0.0, 0.0]))
    reason = judge(way, way.scene).reason
    assert reason.startswith(COLLISION) and "pushed away" in reason


def test_a_target_that_leans_on_an_obstacle_spoils_success(way: World) -> None:
    obstacle = way.scene.obstacles[0]
    at_m = way.body_position_m(obstacle.name)
    put(way, way.scene.target, at_m + np.array([0.03, 0.0, 0.0]))
    reason = judge(way, way.scene).reason
    assert reason.startswith(COLLISION) and "touches" in reason


def test_a_hand_at_an_obstacle_spoils_success(way: World, cell: Cell) -> None:
    obstacle = way.scene.obstacles[0]
    x_m, y_m, z_m = cell.home_tcp_m
    # the open fingers stand 4 cm to each side of the tool centre point
    put(way, obstacle.name, np.array([x_m, y_m - 0.04, z_m]))
    reason = judge(way, way.scene).reason
    assert reason.startswith(COLLISION) and "the hand touches" in reason


def test_the_thing_that_stands_for_the_target_does_not_count(cell: Cell) -> None:
    """Another object of the same kind on the destination is no success."""
    scene = next(
        s
        for s in (sample_scene("spatialqa_e_positional", k) for k in range(100))
        if sum(o.kind == s.object_named(s.target).kind for o in s.objects) > 1
    )
    world = lay(cell, scene)
    kind = scene.object_named(scene.target).kind
    other = next(o for o in scene.objects if o.kind == kind and o.name != scene.target)
    at_m = place_of(scene, cell.table_top_z_m).center_m + np.array([0.0, 0.0, 0.003])
    put(world, other.name, at_m)
    step(world)
    assert "still" in judge(world, scene).reason

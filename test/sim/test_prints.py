"""A printed decoy looks like the thing from the camera's place, and is as flat as the table."""

from collections.abc import Iterator

import numpy as np
import pytest
from grasp_rig import scene_with

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.transforms import invert, transform_points
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.objects import PlacedObject, Print
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import World, build_world, settle

COLOR_LIMIT = 12.0
"""Mean difference of colour, of 255, that real thing and print may have where the thing is seen:
a print is sampled twice and so a little softer (measured 4 to 10, mirrored or shifted 16 to 60)."""
EDGE_LIMIT = 0.05
"""Share of those pixels that may differ by more than 60 of 255: the outline, by half a pixel."""
PLACES = [(0.45, -0.10), (0.52, 0.02), (0.60, 0.12)]
KINDS = ["cube", "ball", "cup", "banana", "can"]


@pytest.fixture(scope="module")
def renderer(cell: Cell) -> Iterator[SensorRenderer]:
    renderer = SensorRenderer(cell.camera)
    renderer.open(build_world(scene_with(), cell))
    yield renderer
    renderer.close()


def item_at(kind: str, x_m: float, y_m: float) -> PlacedObject:
    return PlacedObject("it", kind, "yellow" if kind == "banana" else "red", x_m, y_m, 0.3)


def look(renderer: SensorRenderer, cell: Cell, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Colour as float and exact depth."""
    world = build_world(scene, cell)
    settle(world)
    renderer.use(world)
    return renderer.render_color().astype(float), renderer.render_depth_m()


def heights_m(cell: Cell, depth_m: np.ndarray, at: PlacedObject) -> np.ndarray:
    """Height above the table of everything seen within 40 mm of an object's place."""
    v, u = np.mgrid[: depth_m.shape[0], : depth_m.shape[1]]
    points_m = transform_points(
        cell.camera.T_base_depth, cell.camera.depth.deproject(u, v, depth_m).reshape(-1, 3)
    )
    near = np.hypot(points_m[:, 0] - at.x_m, points_m[:, 1] - at.y_m) < 0.04
    return np.asarray(points_m[near, 2] - cell.table_top_z_m)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_looks_like_the_real_thing_and_is_flat(
    renderer: SensorRenderer, cell: Cell, kind: str, place: tuple[float, float]
) -> None:
    item = item_at(kind, *place)
    table, _ = look(renderer, cell, scene_with())
    real, real_depth_m = look(renderer, cell, scene_with(item))
    printed, printed_depth_m = look(renderer, cell, scene_with(prints=(Print("sheet", item),)))

    seen = np.abs(real - table).max(axis=-1) > 20
    assert seen.sum() > 400, "the real thing is not in the picture"
    difference = np.abs(real - printed).mean(axis=-1)
    assert difference[seen].mean() < COLOR_LIMIT
    assert (difference[seen] > 60).mean() < EDGE_LIMIT
    # all around, no edge of the sheet gives it away
    assert (difference[~seen] > 110).sum() == 0
    assert difference[~seen].mean() < 0.1

    assert heights_m(cell, real_depth_m, item).max() == pytest.approx(
        item.extent.height_m, abs=4e-3
    )
    assert np.abs(heights_m(cell, printed_depth_m, item)).max() < 1.5e-3


def test_is_no_illusion_from_elsewhere(renderer: SensorRenderer, cell: Cell) -> None:
    """The test above can fail: the picture of one place does not do at another."""
    here, there = item_at("cup", 0.50, 0.0), item_at("cup", 0.52, 0.0)
    table, _ = look(renderer, cell, scene_with())
    real, _ = look(renderer, cell, scene_with(here))
    printed, _ = look(renderer, cell, scene_with(prints=(Print("sheet", there),)))
    seen = np.abs(real - table).max(axis=-1) > 20
    assert np.abs(real - printed).mean(axis=-1)[seen].mean() > 1.5 * COLOR_LIMIT


def test_two_prints_show_each_its_own_thing(renderer: SensorRenderer, cell: Cell) -> None:
    cup, ball = item_at("cup", 0.48, -0.09), item_at("ball", 0.48, 0.09)
    prints = (Print("cup_print", cup), Print("ball_print", ball))
    both, _ = look(renderer, cell, scene_with(prints=prints))
    for item, sheet in zip((cup, ball), prints, strict=True):
        one, _ = look(renderer, cell, scene_with(prints=(sheet,)))
        center_m = np.array([[item.x_m, item.y_m, cell.table_top_z_m + item.rest_height_m]])
        at_camera_m = transform_points(invert(cell.camera.T_base_color), center_m)
        u, v = np.rint(cell.camera.color.project(at_camera_m)[0]).astype(int)
        patch = np.s_[v - 15 : v + 15, u - 15 : u + 15]
        assert np.abs(both[patch] - one[patch]).max() < 2


def test_nothing_touches_a_print(cell: Cell) -> None:
    """A thing that stands on the sheet stands on the table."""
    item = item_at("cube", 0.5, 0.0)
    world: World = build_world(
        scene_with(item, prints=(Print("sheet", item_at("cup", 0.5, 0.0)),)), cell
    )
    settle(world)
    sheets = [b for b in range(world.model.nbody) if "sheet" in world.model.body(b).name]
    assert sheets
    assert not np.isin(world.model.geom_bodyid[world.data.contact.geom], sheets).any()
    expected_m = cell.table_top_z_m + item.rest_height_m
    assert world.body_position_m("it")[2] == pytest.approx(expected_m, abs=1e-3)

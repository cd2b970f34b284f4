"""Rendered images agree with geometry: same pixels, same depth."""

import mujoco
import numpy as np
import pytest

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import MissingDependencyError, SimulationError
from spatialbot_model.contracts.transforms import invert, transform_points
from spatialbot_sim.camera import SensorRenderer
from spatialbot_sim.objects import PlacedObject
from spatialbot_sim.tasks import Scene, sample_scene
from spatialbot_sim.world import World, build_world


def empty_scene(*objects: PlacedObject) -> Scene:
    return Scene("test", 0, "-", "-", "-", tuple(objects), ())


@pytest.fixture(scope="module")
def world(cell: Cell) -> World:
    ball = PlacedObject("ball", "ball", "red", 0.55, -0.15, 0.0)
    return build_world(empty_scene(ball), cell)


@pytest.fixture(scope="module")
def renderer(cell: Cell, world: World):
    renderer = SensorRenderer(cell.camera)
    renderer.open(world)
    yield renderer
    renderer.close()


def test_depth_of_the_table_is_its_geometry(
    renderer: SensorRenderer, world: World, cell: Cell
) -> None:
    renderer.use(world)
    depth_m = renderer.render_depth_m()
    points_m = np.array(
        [(x, y, 0.0) for x in (0.45, 0.6, 0.75, 0.9) for y in (-0.5, -0.3, 0.2, 0.4)]
    )
    at_camera_m = transform_points(invert(cell.camera.T_base_depth), points_m)
    pixels = np.rint(cell.camera.depth.project(at_camera_m)).astype(int)
    inside = np.all((pixels >= 0) & (pixels < (640, 480)), axis=1)
    assert inside.sum() >= 12
    u, v = pixels[inside].T
    # back into the base frame, so that rounding to whole pixels does not count
    seen_m = transform_points(
        cell.camera.T_base_depth, cell.camera.depth.deproject(u, v, depth_m[v, u])
    )
    assert np.abs(seen_m[:, 2] - cell.table_top_z_m).max() < 2e-3
    assert np.abs(depth_m[v, u] - at_camera_m[inside, 2]).max() < 4e-3


def test_depth_is_along_the_optical_axis_not_along_the_ray(
    renderer: SensorRenderer, world: World, cell: Cell
) -> None:
    """A plane must come out flat over the whole image, corners included."""
    renderer.use(world)
    depth_m = renderer.render_depth_m()
    v, u = np.mgrid[300:480:20, 30:610:20]
    points_m = transform_points(
        cell.camera.T_base_depth, cell.camera.depth.deproject(u, v, depth_m[v, u])
    ).reshape(-1, 3)
    on_table = np.abs(points_m[:, 2]) < 0.01
    assert on_table.mean() > 0.95
    assert np.abs(points_m[on_table, 2]).max() < 1e-3


def test_objects_are_drawn_where_they_stand(renderer: SensorRenderer, cell: Cell) -> None:
    """The outline of a ball, at places all over the table, lies around its projected centre."""
    offsets_px = []
    for x_m in (0.42, 0.5, 0.57, 0.65):
        for y_m in (-0.25, -0.12, 0.01, 0.14, 0.27):
            ball = PlacedObject("ball", "ball", "red", x_m, y_m, 0.0)
            renderer.use(build_world(empty_scene(ball), cell))
            image = renderer.render_color().astype(int)
            v, u = np.nonzero(image[..., 0] > 2 * image[..., 1] + 20)
            center_m = transform_points(
                invert(cell.camera.T_base_color), [x_m, y_m, ball.rest_height_m]
            )
            middle_px = np.array([u.min() + u.max(), v.min() + v.max()]) / 2
            offsets_px.append(middle_px - cell.camera.color.project(center_m))
            width_px = 2 * ball.rest_height_m * cell.camera.color.fx_px / center_m[2]
            assert u.max() - u.min() + 1 == pytest.approx(width_px, abs=3.0)
    assert np.abs(offsets_px).max() < 1.0
    # whole pixels round by chance; half a pixel of principal point would show in the mean
    assert np.abs(np.mean(offsets_px, axis=0)).max() < 0.25


def test_colour_and_depth_have_their_own_viewpoints(
    renderer: SensorRenderer, world: World, cell: Cell
) -> None:
    renderer.use(world)
    depth_m = renderer.render_depth_m()
    ball_m = world.body_position_m("ball")
    at_depth_m = transform_points(invert(cell.camera.T_base_depth), ball_m)
    u, v = np.rint(cell.camera.depth.project(at_depth_m)).astype(int)
    # the front of the ball, nearer than its centre by about its radius
    assert depth_m[v, u] == pytest.approx(at_depth_m[2] - 0.022, abs=2e-3)
    shift_m = transform_points(invert(cell.camera.T_base_color), ball_m) - at_depth_m
    assert shift_m == pytest.approx([cell.camera.color_offset_m[1], 0.0, 0.0], abs=1e-9)


def test_edges_have_no_depth_in_between(renderer: SensorRenderer, cell: Cell) -> None:
    """Multisampling would blend an object's edge with what is behind it."""
    cube = PlacedObject("cube", "cube", "blue", 0.6, 0.0, 0.0)
    world = build_world(empty_scene(cube), cell)
    renderer.use(world)
    depth_m = renderer.render_depth_m()
    v, u = np.mgrid[0:480, 0:640]
    points_m = transform_points(
        cell.camera.T_base_depth, cell.camera.depth.deproject(u, v, depth_m)
    ).reshape(-1, 3)
    near = np.all(np.abs(points_m[:, :2] - (0.6, 0.0)) < 0.1, axis=1)
    points_m = points_m[near]
    in_cube = np.all(np.abs(points_m - (0.6, 0.0, 0.02)) < 0.0215, axis=1)
    on_table = np.abs(points_m[:, 2]) < 1.5e-3
    assert in_cube.sum() > 200
    assert np.all(in_cube | on_table)


def test_images_are_shaped_like_the_sensor(renderer: SensorRenderer, world: World) -> None:
    renderer.use(world)
    color, depth_m = renderer.render_color(), renderer.render_depth_m()
    assert color.shape == (480, 640, 3) and color.dtype == np.uint8
    assert depth_m.shape == (480, 640) and depth_m.dtype == np.float32
    assert np.isfinite(depth_m).all() and depth_m.min() > 0.1


def test_pictures_follow_the_world(renderer: SensorRenderer, cell: Cell) -> None:
    world = build_world(sample_scene("pick_place", 0), cell)
    renderer.use(world)
    before = renderer.render_color().copy()
    assert np.array_equal(renderer.render_color(), before)
    address = world.model.joint(f"{world.scene.target}_joint").qposadr[0]
    world.data.qpos[address + 2] += 0.1
    mujoco.mj_forward(world.model, world.data)
    assert np.mean(renderer.render_color() != before) > 0.002


def test_rendering_before_open_says_what_to_do(cell: Cell, world: World) -> None:
    renderer = SensorRenderer(cell.camera)
    with pytest.raises(SimulationError, match="open"):
        renderer.render_color()
    with pytest.raises(SimulationError, match="open"):
        renderer.use(world)
    renderer.close()


def test_missing_opengl_says_what_to_install(
    cell: Cell, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(width: int, height: int) -> None:
        raise RuntimeError("no EGL display")

    monkeypatch.setattr("mujoco.egl.GLContext", fail)
    with pytest.raises(MissingDependencyError, match="libegl1"):
        SensorRenderer(cell.camera).open(world)

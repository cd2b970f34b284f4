"""The simulated sensor: colour and raw depth of a world, each from its own viewpoint.

A `SensorRenderer` owns an OpenGL context: it is opened, used and closed in one thread.
"""

import os
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import CameraMount
from spatialbot_model.contracts.errors import MissingDependencyError, SimulationError
from spatialbot_sim.objects import PICTURE_GROUP, SHEET_GROUP, picture_name
from spatialbot_sim.print_painter import draw_out, put_on_sheet, texel_points_m
from spatialbot_sim.world import COLOR_CAMERA, DEPTH_CAMERA, DRAWN_GROUP, HIDDEN_GROUP, World

_MAX_GEOMS = 400


class SensorRenderer:
    """Renders a world with the two calibrated cameras of the cell."""

    def __init__(self, mount: CameraMount) -> None:
        self._mount = mount
        self._gl: Any = None
        self._world: World | None = None
        self._context: mujoco.MjrContext | None = None
        self._scene: mujoco.MjvScene | None = None
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[DRAWN_GROUP] = 1
        self._option.geomgroup[HIDDEN_GROUP] = 0
        self._option.geomgroup[SHEET_GROUP] = 1

    def open(self, world: World) -> None:
        """Make the OpenGL context and upload the world.

        Raises:
            MissingDependencyError: no EGL (or OSMesa) on this machine.
        """
        if self._gl is None:
            self._gl = _make_gl_context(
                max(self._mount.color.width, self._mount.depth.width),
                max(self._mount.color.height, self._mount.depth.height),
            )
        self.use(world)

    def use(self, world: World) -> None:
        """Show another world; needed after every reset."""
        if self._gl is None:
            raise SimulationError("the renderer is not open; call open() in the rendering thread")
        self._gl.make_current()
        if self._context is not None:
            self._context.free()
        self._world = world
        self._scene = mujoco.MjvScene(world.model, maxgeom=_MAX_GEOMS)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = 0
        self._context = mujoco.MjrContext(world.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        # the far plane is 0: keeps the precision of a reversed z buffer, see render_depth_m
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        for sheet in world.scene.prints:
            self._paint(world, sheet.name, picture_name(sheet))

    def render_color(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB from the colour viewpoint."""
        color = np.empty((self._mount.color.height, self._mount.color.width, 3), np.uint8)
        self._render(COLOR_CAMERA, color, None)
        return color[::-1]

    def render_depth_m(self) -> NDArray[np.float32]:
        """(H, W) float32 exact z-depth [m] from the depth viewpoint; large where nothing is."""
        raw = np.empty((self._mount.depth.height, self._mount.depth.width), np.float32)
        self._render(DEPTH_CAMERA, None, raw)
        assert self._world is not None
        model = self._world.model
        near_m = model.vis.map.znear * model.stat.extent
        far_m = model.vis.map.zfar * model.stat.extent
        # MuJoCo's z buffer is reversed: 1 is near, 0 is far
        return np.float32(near_m * far_m) / (
            np.float32(near_m) + raw[::-1] * np.float32(far_m - near_m)
        )

    def render_bodies(self) -> NDArray[np.int32]:
        """(H, W) id of the body that each colour pixel shows; 0 = the world, or nothing."""
        if self._scene is None or self._world is None:
            raise SimulationError("the renderer is not open; call open() in the rendering thread")
        flags = [int(mujoco.mjtRndFlag.mjRND_SEGMENT), int(mujoco.mjtRndFlag.mjRND_IDCOLOR)]
        painted = np.empty((self._mount.color.height, self._mount.color.width, 3), np.uint8)
        try:
            self._scene.flags[flags] = 1
            self._render(COLOR_CAMERA, painted, None)
        finally:
            self._scene.flags[flags] = 0
        bodies = np.zeros(self._scene.ngeom + 1, np.int32)
        for drawn in self._scene.geoms[: self._scene.ngeom]:
            if drawn.objtype == mujoco.mjtObj.mjOBJ_GEOM and drawn.segid >= 0:
                bodies[drawn.segid + 1] = self._world.model.geom_bodyid[drawn.objid]
        return bodies[painted[::-1].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)]

    def close(self) -> None:
        """Free the OpenGL context; allowed more than once."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None
        if self._gl is not None:
            self._gl.free()
            self._gl = None
        self._world = self._scene = None

    def _paint(self, world: World, sheet: str, pictured: str) -> None:
        """Give a printed decoy the picture of the thing that it shows."""
        assert self._context is not None
        model, lens = world.model, self._mount.color
        option = mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[DRAWN_GROUP] = option.geomgroup[PICTURE_GROUP] = 1
        groups = model.geom_group.copy()
        others = (groups == PICTURE_GROUP) & (model.geom_bodyid != model.body(pictured).id)
        model.geom_group[others] = HIDDEN_GROUP
        picture = np.empty((lens.height, lens.width, 3), np.uint8)
        try:
            # what moves does not belong into the picture
            self._draw(COLOR_CAMERA, picture, None, option, mujoco.mjtCatBit.mjCAT_STATIC)
        finally:
            model.geom_group[:] = groups
        points_m = texel_points_m(model, sheet)
        colors = draw_out(picture[::-1], points_m, self._mount.T_base_color, lens)
        mujoco.mjr_uploadTexture(model, self._context, put_on_sheet(model, sheet, colors))

    def _render(
        self, camera_name: str, rgb: NDArray[np.uint8] | None, depth: NDArray[np.float32] | None
    ) -> None:
        if self._world is None or self._scene is None or self._context is None:
            raise SimulationError("the renderer is not open; call open() in the rendering thread")
        # another renderer of this thread may have drawn meanwhile
        self._gl.make_current()
        self._draw(camera_name, rgb, depth, self._option, mujoco.mjtCatBit.mjCAT_ALL)

    def _draw(
        self,
        camera_name: str,
        rgb: NDArray[np.uint8] | None,
        depth: NDArray[np.float32] | None,
        option: mujoco.MjvOption,
        categories: int,
    ) -> None:
        """Render into arrays; their shape says the resolution."""
        assert self._world is not None
        model, data = self._world.model, self._world.data
        camera = mujoco.MjvCamera()
        camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        camera.fixedcamid = model.camera(camera_name).id
        mujoco.mjv_updateScene(model, data, option, None, camera, categories, self._scene)
        image = rgb if rgb is not None else depth
        assert image is not None
        viewport = mujoco.MjrRect(0, 0, image.shape[1], image.shape[0])
        mujoco.mjr_render(viewport, self._scene, self._context)
        mujoco.mjr_readPixels(rgb, depth, viewport, self._context)


def _make_gl_context(width: int, height: int) -> Any:
    backend = os.environ.get("MUJOCO_GL", "egl").lower()
    try:
        if backend == "osmesa":
            from mujoco.osmesa import GLContext
        else:
            from mujoco.egl import GLContext
        return GLContext(width, height)
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise MissingDependencyError(
            f"no off-screen OpenGL ({backend}): {error}. Install libegl1, libegl-mesa0 and"
            " libgl1-mesa-dri, or libosmesa6 with MUJOCO_GL=osmesa."
        ) from error

"""What the simulation knows and no policy may: the true state of arm and things.

A `PrivilegedState` is complete: an expert needs nothing else, and no past.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import compose
from spatialbot_sim.judge import Verdict
from spatialbot_sim.world import ROBOT_PREFIX, TABLE_BODY, World


@dataclass(frozen=True, slots=True)
class Box:
    """Bounding box of a body in the base frame; corners (3,) [m]."""

    low_m: NDArray[np.float64]
    high_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PrivilegedState:
    """The true state at one control step.

    Attributes:
        T_base_ee: (4, 4) measured pose of the tool centre point.
        T_base_target: (4, 4) where the actions so far have sent it.
        ee_velocity_m_s: (3,) of the tool centre point.
        gripper_width_m, gripper_speed_m_s: opening between the fingers, positive = opening.
        gripper_closed: what the gripper was last asked to do.
        poses: (4, 4) of every thing in the base frame, by body name.
        boxes: what every thing occupies, by body name.
        verdict: what has become of the task.
    """

    T_base_ee: NDArray[np.float64]
    T_base_target: NDArray[np.float64]
    ee_velocity_m_s: NDArray[np.float64]
    gripper_width_m: float
    gripper_speed_m_s: float
    gripper_closed: bool
    poses: Mapping[str, NDArray[np.float64]]
    boxes: Mapping[str, Box]
    verdict: Verdict


class ThingTracker:
    """Poses and bounding boxes of everything in a world but robot, table and floor."""

    def __init__(self, world: World) -> None:
        model = world.model
        self._data = world.data
        self._bodies = {
            name: body
            for body in range(1, model.nbody)
            if (name := model.body(body).name) != TABLE_BODY and not name.startswith(ROBOT_PREFIX)
        }
        collides = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
        self._geoms = {
            name: np.flatnonzero((model.geom_bodyid == body) & collides)
            for name, body in self._bodies.items()
        }
        self._center_m = model.geom_aabb[:, :3].copy()
        self._half_m = model.geom_aabb[:, 3:].copy()

    def poses(self) -> dict[str, NDArray[np.float64]]:
        """(4, 4) by body name."""
        return {
            name: compose(self._data.xmat[body].reshape(3, 3), self._data.xpos[body])
            for name, body in self._bodies.items()
        }

    def boxes(self) -> dict[str, Box]:
        """Bounding boxes of what collides, by body name; things without any are left out."""
        boxes = {}
        for name, geoms in self._geoms.items():
            if not len(geoms):
                continue
            R = self._data.geom_xmat[geoms].reshape(-1, 3, 3)
            center_m = self._data.geom_xpos[geoms] + np.einsum(
                "gij,gj->gi", R, self._center_m[geoms]
            )
            half_m = np.einsum("gij,gj->gi", np.abs(R), self._half_m[geoms])
            boxes[name] = Box((center_m - half_m).min(axis=0), (center_m + half_m).max(axis=0))
        return boxes


def linear_velocity_m_s(
    model: mujoco.MjModel, data: mujoco.MjData, body: int
) -> NDArray[np.float64]:
    """(3,) velocity of a body's origin in the base frame."""
    velocity = np.empty(6)
    mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, body, velocity, 0)
    return velocity[3:]

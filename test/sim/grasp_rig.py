"""A bare hand and arm that take one object and lift it: physics only, no policy and no clock."""

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.transforms import compose, quaternion_to_matrix
from spatialbot_sim.arm_drive import ArmDrive
from spatialbot_sim.ik import ArmIk
from spatialbot_sim.objects import Grasp, PlacedObject, Print
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import FINGER_BODIES, ROBOT_PREFIX, World, build_world, settle

ABOVE_M = 0.10
_SPEED_M_S = 0.15
_PERIOD_S = 0.02


@dataclass(frozen=True, slots=True)
class Lifted:
    """What became of the object.

    Attributes:
        approach_shift_m: how far it moved before the fingers closed.
        rise_m: of its centre by the whole lift and a pause.
        slip_m: how far it moved in the hand between the grasp and the end.
        width_m: between the fingers at the end.
        fingers: how many fingers touch it at the end.
        hand_touches: whether the hand's body, not its fingers, touched it.
    """

    approach_shift_m: float
    rise_m: float
    slip_m: float
    width_m: float
    fingers: int
    hand_touches: bool


def scene_with(*objects: PlacedObject, prints: tuple[Print, ...] = ()) -> Scene:
    """Some objects and prints, no boards, nothing asked for."""
    return Scene("test", 0, "-", "-", "-", tuple(objects), (), prints=prints)


def world_with(cell: Cell, *objects: PlacedObject) -> World:
    """A table with nothing but some objects, at rest."""
    world = build_world(scene_with(*objects), cell)
    settle(world)
    return world


def lift(cell: Cell, item: PlacedObject, grasp: Grasp, yaw_rad: float) -> Lifted:
    """Take `item` with the hand turned by `yaw_rad` in the object's frame, lift it, and wait."""
    world = world_with(cell, item)
    rig = _Rig(world)
    body = world.body_ids[item.name]
    T_base_item = compose(world.data.xmat[body].reshape(3, 3), world.data.xpos[body])
    point_m = (T_base_item @ np.append(grasp.point_m, 1.0))[:3]
    R = _yaw(item.yaw_rad + yaw_rad) @ rig.R_down
    above_m = point_m + np.array([0.0, 0.0, ABOVE_M])
    start_m = world.body_position_m(item.name)
    rig.go(above_m, R)
    rig.go(point_m, R)
    approach_shift_m = float(np.linalg.norm(world.body_position_m(item.name) - start_m))
    rig.grip()
    held_m = rig.in_hand_m(body)
    rig.go(above_m, R)
    rig.wait(1.0)
    touching = _touching(world, body)
    return Lifted(
        approach_shift_m=approach_shift_m,
        rise_m=float(world.body_position_m(item.name)[2] - start_m[2]),
        slip_m=float(np.linalg.norm(rig.in_hand_m(body) - held_m)),
        width_m=float(rig.drive.finger_m.sum()),
        fingers=sum(name in touching for name in FINGER_BODIES),
        hand_touches=f"{ROBOT_PREFIX}hand" in touching,
    )


class _Rig:
    """Arm and hand of a world, going where they are told."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.drive = ArmDrive(world)
        self._ik = ArmIk(_PERIOD_S)
        self._q_rad = self.drive.q_rad
        self._ik.reset(self._q_rad)
        self._hand = world.model.body(f"{ROBOT_PREFIX}hand").id
        self.R_down = self._ik.T_base_tcp[:3, :3]

    def go(self, position_m: NDArray[np.float64], R: NDArray[np.float64]) -> None:
        """Straight to a tool pose; turns at once, the joints as fast as they may."""
        start_m = self._ik.T_base_tcp[:3, 3]
        count = max(2, round(np.linalg.norm(position_m - start_m) / _SPEED_M_S / _PERIOD_S))
        for k in range(1, count + 1):
            self._follow(compose(R, start_m + (position_m - start_m) * k / count))
        for _ in range(25):
            self._follow(compose(R, position_m))

    def grip(self) -> None:
        """Close until the hand has come to rest."""
        self.drive.hand.command(True)
        self.wait(0.2)
        while self.drive.hand.busy:
            self.wait(0.05)

    def wait(self, time_s: float) -> None:
        """Hold still."""
        self.drive.move(self._q_rad, self._q_rad, round(time_s / self._tick_s))

    def in_hand_m(self, body: int) -> NDArray[np.float64]:
        """(3,) position of a body in the hand's frame."""
        data = self._world.data
        R = data.xmat[self._hand].reshape(3, 3)
        return np.asarray(R.T @ (data.xpos[body] - data.xpos[self._hand]))

    def _follow(self, T_base_tcp: NDArray[np.float64]) -> None:
        q_rad = self._ik.follow(T_base_tcp)
        self.drive.move(self._q_rad, q_rad, round(_PERIOD_S / self._tick_s))
        self._q_rad = q_rad

    @property
    def _tick_s(self) -> float:
        return float(self._world.model.opt.timestep)


def upright_cosine(world: World, name: str) -> float:
    """Cosine of an object's lean."""
    w, x, y, z = world.data.xquat[world.body_ids[name]]
    return float(quaternion_to_matrix([x, y, z, w])[2, 2])


def bounds_m(world: World, name: str) -> NDArray[np.float64]:
    """(2, 3) lowest and highest coordinates of what collides of a body."""
    model, data = world.model, world.data
    shape = mujoco.mjtGeom
    lows, highs = [], []
    for geom in np.flatnonzero(model.geom_bodyid == world.body_ids[name]):
        if not model.geom_contype[geom]:
            continue
        R, size = data.geom_xmat[geom].reshape(3, 3), model.geom_size[geom]
        reach_m = {
            shape.mjGEOM_BOX: np.abs(R) @ size,
            shape.mjGEOM_SPHERE: np.full(3, size[0]),
            shape.mjGEOM_CAPSULE: np.abs(R[:, 2]) * size[1] + size[0],
            shape.mjGEOM_CYLINDER: np.abs(R[:, 2]) * size[1]
            + np.sqrt(np.maximum(0.0, 1.0 - R[:, 2] ** 2)) * size[0],
        }[shape(model.geom_type[geom])]
        lows.append(data.geom_xpos[geom] - reach_m)
        highs.append(data.geom_xpos[geom] + reach_m)
    return np.array([np.min(lows, axis=0), np.max(highs, axis=0)])


def hold_arm(world: World, time_s: float) -> None:
    """Simulate with the arm and the fingers pinned where they are."""
    pinned = world.data.qpos[:9].copy()
    for _ in range(round(time_s / world.model.opt.timestep)):
        mujoco.mj_step(world.model, world.data)
        world.data.qpos[:9], world.data.qvel[:9] = pinned, 0.0
    mujoco.mj_forward(world.model, world.data)


def _touching(world: World, body: int) -> frozenset[str]:
    bodies = world.model.geom_bodyid[world.data.contact.geom]
    pairs = bodies[(bodies == body).any(axis=1)]
    return frozenset(world.model.body(int(other)).name for other in np.unique(pairs))


def _yaw(angle_rad: float) -> NDArray[np.float64]:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])

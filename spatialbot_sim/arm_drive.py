"""Drives arm and hand of a world by torques, without any protocol in between.

The arm follows joint targets with a stiff position servo. The hand is franky-sim's: the same
gains, forces and speed, and a command that has begun runs to its end before the next one.
"""

import mujoco
import numpy as np
from numpy.typing import NDArray

from spatialbot_sim.fr3_server import JOINT_DAMPING_GAINS
from spatialbot_sim.world import FINGER_NAMES, HAND_OPEN_M, JOINT_NAMES, World

_STIFFNESS_NM_RAD = np.array((4500.0, 4500.0, 3500.0, 3500.0, 2000.0, 2000.0, 2000.0))
_TORQUE_LIMIT_NM = np.array((87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0))

_HAND_STIFFNESS_N_M = 1000.0
_HAND_DAMPING_NS_M = 50.0
_HAND_SPEED_M_S = 0.05
_GRASP_FORCE_N = 30.0
_OPEN_FORCE_N = 70.0
_SETTLED_M_S = 0.01
"""A hand whose width changes more slowly ..."""
_SETTLED_S = 0.1
"""... for this long has ended its command."""


class HandDrive:
    """The two fingers; `command` leaves a wish, `force_n` is asked for before every tick."""

    def __init__(self, width_m: float) -> None:
        self._goal_m = HAND_OPEN_M
        self._limit_n = _OPEN_FORCE_N
        self._width_m = width_m
        self._done: bool | None = None
        self._wish: bool | None = None
        self._busy = False
        self._still_s = 0.0

    @property
    def busy(self) -> bool:
        """Whether a command is under way."""
        return self._busy or self._wish is not None

    def command(self, closed: bool) -> None:
        """Leave a wish; the latest one wins, and waits for the end of what is under way."""
        self._wish = closed

    def force_n(
        self, q_m: NDArray[np.float64], dq_m_s: NDArray[np.float64], dt_s: float
    ) -> NDArray[np.float64]:
        """(2,) forces on the fingers for one tick."""
        self._watch(float(q_m.sum()), dt_s)
        force_n = _HAND_STIFFNESS_N_M * (self._goal_m / 2.0 - q_m) - _HAND_DAMPING_NS_M * dq_m_s
        too_fast = (np.abs(dq_m_s) > _HAND_SPEED_M_S) & (dq_m_s * force_n > 0.0)
        force_n = np.where(too_fast, -_HAND_DAMPING_NS_M * dq_m_s, force_n)
        return np.clip(force_n, -self._limit_n, self._limit_n)

    def _watch(self, width_m: float, dt_s: float) -> None:
        speed_m_s = abs(width_m - self._width_m) / dt_s
        self._width_m = width_m
        self._still_s = self._still_s + dt_s if speed_m_s < _SETTLED_M_S else 0.0
        if self._still_s >= _SETTLED_S:
            self._busy = False
        if self._busy or self._wish is None:
            return
        wish, self._wish = self._wish, None
        if wish != self._done:
            self._goal_m = 0.0 if wish else HAND_OPEN_M
            self._limit_n = _GRASP_FORCE_N if wish else _OPEN_FORCE_N
            self._busy, self._done, self._still_s = True, wish, 0.0


class ArmDrive:
    """Arm and hand of one world at its own time step."""

    def __init__(self, world: World) -> None:
        model = world.model
        self._model, self._data = model, world.data
        self._q, self._dq = _slices(model, JOINT_NAMES)
        self._finger_q, self._finger_dq = _slices(model, FINGER_NAMES)
        # damped by the integrator, which stays stable where an explicit torque would not
        self._damping = np.array(JOINT_DAMPING_GAINS)
        model.dof_damping[self._dq] += self._damping
        self.hand = HandDrive(float(self.finger_m.sum()))

    def reset_hand(self) -> None:
        """Forget what the hand was told; it holds itself open."""
        self.hand = HandDrive(float(self.finger_m.sum()))

    @property
    def q_rad(self) -> NDArray[np.float64]:
        """(7,) joint positions."""
        return np.array(self._data.qpos[self._q])

    @property
    def dq_rad_s(self) -> NDArray[np.float64]:
        """(7,) joint velocities."""
        return np.array(self._data.qvel[self._dq])

    @property
    def finger_m(self) -> NDArray[np.float64]:
        """(2,) finger positions; their sum is the width."""
        return np.array(self._data.qpos[self._finger_q])

    @property
    def finger_m_s(self) -> NDArray[np.float64]:
        """(2,) finger velocities."""
        return np.array(self._data.qvel[self._finger_dq])

    def move(
        self, q_from_rad: NDArray[np.float64], q_to_rad: NDArray[np.float64], num_ticks: int
    ) -> None:
        """Simulate `num_ticks` ticks while the joint targets go from one place to another."""
        data, dt_s = self._data, self._model.opt.timestep
        qpos, qvel = data.qpos[self._q], data.qvel[self._dq]
        bias = data.qfrc_bias[self._dq]
        applied = data.qfrc_applied[self._dq]
        finger_q, finger_dq = data.qpos[self._finger_q], data.qvel[self._finger_dq]
        finger_applied = data.qfrc_applied[self._finger_dq]
        way_rad = (q_to_rad - q_from_rad) / num_ticks
        # the damping of the integrator is against the velocity; this makes it against the error
        forward_nm = self._damping * (way_rad / dt_s)
        target_rad = q_from_rad
        for _ in range(num_ticks):
            target_rad = target_rad + way_rad
            torque_nm = _STIFFNESS_NM_RAD * (target_rad - qpos)
            torque_nm += forward_nm
            # what the integrator's damping takes away is part of the torque that is limited
            damping_nm = self._damping * qvel
            np.clip(
                torque_nm, damping_nm - _TORQUE_LIMIT_NM, damping_nm + _TORQUE_LIMIT_NM, torque_nm
            )
            np.add(torque_nm, bias, out=applied)
            finger_applied[:] = self.hand.force_n(finger_q, finger_dq, dt_s)
            mujoco.mj_step(self._model, data)


def _slices(model: mujoco.MjModel, names: tuple[str, ...]) -> tuple[slice, slice]:
    """Where neighbouring one-axis joints lie in positions and velocities."""
    joints = [model.joint(name) for name in names]
    q, dq = int(joints[0].qposadr[0]), int(joints[0].dofadr[0])
    assert [int(joint.qposadr[0]) for joint in joints] == list(range(q, q + len(names)))
    return slice(q, q + len(names)), slice(dq, dq + len(names))

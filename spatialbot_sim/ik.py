"""Differential inverse kinematics of the FR3, by mink on a model of the bare arm.

The least motion of the joints is taken for every motion of the tool, as the simulated robot's own
Cartesian control does, so that both arms go through the same postures.
"""

import xml.etree.ElementTree as ET
from functools import cache

import mink
import mujoco
import numpy as np
from franky_sim.mujoco_simulator import MujocoSimulator
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import SimulationError
from spatialbot_model.contracts.transforms import compose
from spatialbot_sim.world import JOINT_NAMES, ROBOT_PREFIX

TCP_SITE = f"{ROBOT_PREFIX}tcp"
TCP_IN_HAND_M = (0.0, 0.0, 0.1034)
"""Tool centre point in the hand's frame, as libfranka has it with the hand configured."""

JOINT_SPEEDS_RAD_S = (2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26)
"""Highest joint speeds of the FR3, as Franka publishes them."""

_SOLVER = "daqp"
_DAMPING = 1e-6
_LM_DAMPING = 0.1
"""Damps in proportion to the error that is left: out of reach the arm stretches, and rests."""
_ROTATION_WEIGHT_M = 0.3
"""How many metres of position error weigh as much as one radian."""


class ArmIk:
    """Follows tool poses from one joint configuration to the next; `reset` comes first.

    Args:
        period_s: time from one pose to the next; the joints go no faster than they may.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._configuration: mink.Configuration | None = None
        self._task: mink.FrameTask | None = None
        self._limits: list[mink.Limit] = []

    def reset(self, q_rad: NDArray[np.float64]) -> None:
        """Stand at joint positions (7,), with nothing left of what was before."""
        model = arm_model()
        self._configuration = mink.Configuration(model, np.array(q_rad, dtype=np.float64))
        self._task = mink.FrameTask(
            TCP_SITE,
            "site",
            position_cost=1.0,
            orientation_cost=_ROTATION_WEIGHT_M,
            lm_damping=_LM_DAMPING,
        )
        speeds = dict(zip(JOINT_NAMES, JOINT_SPEEDS_RAD_S, strict=True))
        self._limits = [mink.ConfigurationLimit(model), mink.VelocityLimit(model, speeds)]

    @property
    def T_base_tcp(self) -> NDArray[np.float64]:
        """(4, 4) pose of the tool centre point at the joint positions reached."""
        transform = self._opened.get_transform_frame_to_world(TCP_SITE, "site")
        return np.asarray(transform.as_matrix())

    def follow(self, T_base_tcp: NDArray[np.float64]) -> NDArray[np.float64]:
        """Joint positions (7,) [rad] one period later, on the shortest way to a tool pose.

        A pose out of reach is approached as far as the joints' limits allow.

        Raises:
            SimulationError: the solver found nothing.
        """
        configuration, task = self._opened, self._task
        assert task is not None
        task.set_target(mink.SE3.from_matrix(T_base_tcp))
        try:
            velocity_rad_s = mink.solve_ik(
                configuration,
                [task],
                self._period_s,
                _SOLVER,
                damping=_DAMPING,
                limits=self._limits,
            )
        except mink.MinkError as error:
            raise SimulationError(
                f"no joint positions for the tool at {T_base_tcp[:3, 3].tolist()} m: {error}"
            ) from error
        configuration.integrate_inplace(velocity_rad_s, self._period_s)
        return np.array(configuration.q)

    @property
    def _opened(self) -> mink.Configuration:
        if self._configuration is None:
            raise SimulationError("the arm stands nowhere yet; call reset() first")
        return self._configuration


@cache
def arm_model() -> mujoco.MjModel:
    """The arm of the world without fingers, meshes and surroundings, with a site at the tool."""
    template = MujocoSimulator()
    template.add_robot()
    root = template.scene
    for tag in ("actuator", "tendon", "equality", "contact", "asset"):
        for element in root.findall(tag):
            root.remove(element)
    for parent in list(root.iter()):
        for child in list(parent):
            finger = child.tag == "body" and child.get("name", "").endswith("_finger")
            if child.tag in ("geom", "light") or finger:
                parent.remove(child)
            if child.tag == "body" and child.get("name") == f"{ROBOT_PREFIX}hand":
                position = " ".join(map(str, TCP_IN_HAND_M))
                ET.SubElement(child, "site", name=TCP_SITE, pos=position)
    for parent in list(root.iter("default")):
        for child in list(parent.findall("geom")):
            parent.remove(child)
    return mujoco.MjModel.from_xml_string(ET.tostring(root, encoding="unicode"))


def hand_to_tcp(position_m: NDArray[np.float64], R: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, 4) pose of the tool centre point from position and (3, 3) rotation of the hand."""
    return compose(R, position_m + R @ np.array(TCP_IN_HAND_M))

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
from spatialbot_sim.world import ROBOT_PREFIX

TCP_SITE = f"{ROBOT_PREFIX}tcp"
TCP_IN_HAND_M = (0.0, 0.0, 0.1034)
"""Tool centre point in the hand's frame, as libfranka has it with the hand configured."""

_SOLVER = "daqp"
_DAMPING = 1e-6
_ROTATION_WEIGHT_M = 0.3
"""How many metres of position error weigh as much as one radian."""


class ArmIk:
    """Follows tool poses from one joint configuration to the next; `reset` comes first."""

    def __init__(self) -> None:
        self._configuration: mink.Configuration | None = None
        self._task: mink.FrameTask | None = None
        self._limits: list[mink.Limit] = []

    def reset(self, q_rad: NDArray[np.float64]) -> None:
        """Stand at joint positions (7,)."""
        if self._configuration is None:
            model = arm_model()
            self._configuration = mink.Configuration(model)
            self._task = mink.FrameTask(
                TCP_SITE,
                "site",
                position_cost=1.0,
                orientation_cost=_ROTATION_WEIGHT_M,
            )
            self._limits = [mink.ConfigurationLimit(model)]
        self._configuration.update(q=np.asarray(q_rad, dtype=np.float64))

    @property
    def T_base_tcp(self) -> NDArray[np.float64]:
        """(4, 4) pose of the tool centre point at the joint positions reached."""
        transform = self._opened.get_transform_frame_to_world(TCP_SITE, "site")
        return np.asarray(transform.as_matrix())

    def follow(self, T_base_tcp: NDArray[np.float64], iterations: int = 2) -> NDArray[np.float64]:
        """Joint positions (7,) [rad] nearest to the last ones that bring the tool to a pose.

        A pose out of reach is approached as far as the joints' limits allow.

        Raises:
            SimulationError: the solver found nothing.
        """
        configuration, task = self._opened, self._task
        assert task is not None
        task.set_target(mink.SE3.from_matrix(T_base_tcp))
        for _ in range(iterations):
            try:
                velocity = mink.solve_ik(
                    configuration, [task], 1.0, _SOLVER, damping=_DAMPING, limits=self._limits
                )
            except mink.MinkError as error:
                raise SimulationError(
                    f"no joint positions for the tool at {T_base_tcp[:3, 3].tolist()} m: {error}"
                ) from error
            configuration.integrate_inplace(velocity, 1.0)
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

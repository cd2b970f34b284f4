"""Arms by name. A new robot is one module and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.ports import Arm
from spatialbot_ros.robots.backends import VELOCITY


@dataclass(frozen=True, slots=True)
class ArmSettings:
    """What any arm may need to know before it connects.

    Attributes:
        address: host name or IP; ignored by arms without a network.
        home_joints_rad: (7,) home pose of the cell.
        acceleration_factor: share of the robot's acceleration limits to use, in (0, 1].
        enforce_realtime: refuse to run without a real-time kernel.
        gripper_force_n, gripper_speed_m_s: of the fingers.
        backend: how joint speeds become motion, see `backends`.
    """

    address: str
    home_joints_rad: NDArray[np.float64]
    acceleration_factor: float = 0.5
    enforce_realtime: bool = False
    gripper_force_n: float = 30.0
    gripper_speed_m_s: float = 0.1
    backend: str = VELOCITY


def make_arm(name: str, settings: ArmSettings) -> Arm:
    """An arm that is not connected yet.

    Raises:
        UnknownNameError: no such arm; lists those there are.
        MissingDependencyError: its SDK is not installed.
        ConfigurationError: the settings cannot be used.
    """
    if name not in ARMS:
        raise UnknownNameError("robot", name, ARMS)
    return ARMS[name](settings)


def _franky(settings: ArmSettings) -> Arm:
    # imported here so that a dry run needs no robot SDK
    from spatialbot_ros.robots.franky_arm import FrankyArm, FrankyConfig

    return FrankyArm(
        FrankyConfig(
            address=settings.address,
            acceleration_factor=settings.acceleration_factor,
            enforce_realtime=settings.enforce_realtime,
            grasp_force_n=settings.gripper_force_n,
            grasp_speed_m_s=settings.gripper_speed_m_s,
            open_speed_m_s=settings.gripper_speed_m_s,
            backend=settings.backend,
        )
    )


def _memory(settings: ArmSettings) -> Arm:
    from spatialbot_ros.robots.memory_arm import MemoryArm

    if settings.backend != VELOCITY:
        raise ConfigurationError(
            f"the arm in memory knows no forces, so it has no backend {settings.backend!r}; use"
            " 'velocity', or the robot 'franky'"
        )
    return MemoryArm(settings.home_joints_rad)


ARMS: Mapping[str, Callable[[ArmSettings], Arm]] = {"franky": _franky, "memory": _memory}

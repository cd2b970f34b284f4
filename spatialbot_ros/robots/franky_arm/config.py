"""How the arm is driven."""

from dataclasses import dataclass

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.robots.backends import BACKENDS, VELOCITY


@dataclass(frozen=True, slots=True)
class FrankyConfig:
    """How the arm is driven.

    Attributes:
        address: host name or IP of the robot (or of the simulated lab).
        acceleration_factor, jerk_factor: share of the joints' limits that streams without a pace
            of their own use, in (0, 1].
        enforce_realtime: refuse to run without a real-time kernel.
        grasp_speed_m_s, open_speed_m_s: speeds of the fingers.
        grasp_force_n: force on a held object.
        backend: how joint speeds become motion, see `streams`.

    Raises:
        ConfigurationError: a value cannot be used.
        UnknownNameError: no such backend; lists those there are.
    """

    address: str
    acceleration_factor: float = 0.5
    jerk_factor: float = 0.3
    enforce_realtime: bool = False
    grasp_speed_m_s: float = 0.1
    open_speed_m_s: float = 0.1
    grasp_force_n: float = 30.0
    backend: str = VELOCITY

    def __post_init__(self) -> None:
        if not self.address:
            raise ConfigurationError("the robot needs an address, e.g. 172.16.0.2")
        if self.backend not in BACKENDS:
            raise UnknownNameError("backend", self.backend, BACKENDS)
        for name in ("acceleration_factor", "jerk_factor"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}, expected a value above 0 and at most 1"
                )

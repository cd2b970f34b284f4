"""What the simulated robot measures about itself at one moment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.types import RobotState


@dataclass(frozen=True, slots=True)
class Proprioception:
    """What the robot measures about itself.

    Attributes:
        q_rad, dq_rad_s: (7,) joints.
        finger_m: (2,) position of each finger.
        T_base_ee: (4, 4) tool centre point.
        T_base_target: (4, 4) integrated target.
        gripper_width_m: opening between the fingers.
        gripper_closed: what the gripper was last asked to do.
        gripper_speed_m_s: of the opening over the last step, positive = opening.
    """

    q_rad: NDArray[np.float64]
    dq_rad_s: NDArray[np.float64]
    finger_m: NDArray[np.float64]
    T_base_ee: NDArray[np.float64]
    T_base_target: NDArray[np.float64]
    gripper_width_m: float
    gripper_closed: bool
    gripper_speed_m_s: float

    @property
    def state(self) -> RobotState:
        """What a policy is told of it."""
        return RobotState(
            self.T_base_ee,
            self.T_base_target,
            self.gripper_width_m,
            self.gripper_closed,
            self.gripper_speed_m_s,
        )

"""What the FR3 allows: Franka's published limits of joints and of the tool.

Joint positions are the narrowest that Franka gives for the FR3; newer descriptions are wider by up
to 0.16 rad. Speeds and position-dependent speeds are those of its newest description
(`position_based_velocity_limits`), the lowest; accelerations, jerks and the limits of the tool are
those of the FCI documentation and of libfranka. The robot stops itself when a command breaks one.
"""

import numpy as np
from numpy.typing import NDArray

JOINT_LOWER_RAD = np.array([-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159])
JOINT_UPPER_RAD = np.array([2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159])
JOINT_SPEED_RAD_S = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
JOINT_DECELERATION_RAD_S2 = np.array([6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0])
"""What the position-dependent speed limits count on before a joint's end."""
JOINT_SPEED_OFFSET_RAD_S = np.array([0.652, 0.25, 0.2005, 0.3542, 0.5738, 0.4885, 0.4592])
JOINT_ACCELERATION_RAD_S2 = 10.0
JOINT_JERK_RAD_S3 = 5000.0
COMMAND_ACCELERATION_RAD_S2 = np.array([10.0, 7.5, 10.0, 10.0, 10.0, 10.0, 10.0])
COMMAND_JERK_RAD_S3 = np.array([5000.0, 3750.0, 5000.0, 5000.0, 5000.0, 5000.0, 5000.0])
"""What may be commanded: the FR3's limits, for joint 2 franky's own, which are lower."""
TOOL_SPEED_M_S = 3.0
TOOL_SPEED_RAD_S = 2.5
TOOL_ACCELERATION_M_S2 = 9.0
TOOL_ACCELERATION_RAD_S2 = 17.0
TOOL_JERK_M_S3 = 4500.0
TOOL_JERK_RAD_S3 = 8500.0
HAND_SPEED_M_S = 0.1
HAND_FORCE_N = 70.0


def joint_speed_bounds(
    q_rad: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest joint speeds [rad/s] at joint positions, shape (..., 7) each.

    Near the end of a joint's range they fall to zero in that direction.
    """
    up = np.sqrt(np.maximum(2.0 * JOINT_DECELERATION_RAD_S2 * (JOINT_UPPER_RAD - q_rad), 0.0))
    down = np.sqrt(np.maximum(2.0 * JOINT_DECELERATION_RAD_S2 * (q_rad - JOINT_LOWER_RAD), 0.0))
    highest = np.clip(up - JOINT_SPEED_OFFSET_RAD_S, 0.0, JOINT_SPEED_RAD_S)
    lowest = -np.clip(down - JOINT_SPEED_OFFSET_RAD_S, 0.0, JOINT_SPEED_RAD_S)
    return lowest, highest

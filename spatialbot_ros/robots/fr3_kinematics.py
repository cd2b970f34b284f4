"""Forward kinematics and Jacobian of the Franka FR3 with the Franka hand, numpy only.

Denavit-Hartenberg parameters (modified, Craig) as Franka publishes them for the FR3; the
end effector is the tool centre point of the hand, 0.1034 m beyond the flange, turned by
-45 degrees, which is what the robot reports as O_T_EE with the hand configured.
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.transforms import compose, rpy_to_matrix

_HALF_PI = np.pi / 2.0

# a [m], d [m], alpha [rad] of joints 1..7
_DH = (
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -_HALF_PI),
    (0.0, 0.316, _HALF_PI),
    (0.0825, 0.0, _HALF_PI),
    (-0.0825, 0.384, -_HALF_PI),
    (0.0, 0.0, _HALF_PI),
    (0.088, 0.0, _HALF_PI),
)
_FLANGE_M = 0.107
_HAND_TCP_M = 0.1034
_T_JOINT7_EE = compose(rpy_to_matrix([0.0, 0.0, -np.pi / 4.0]), [0.0, 0.0, _FLANGE_M + _HAND_TCP_M])

JOINT_NAMES = tuple(f"fr3_joint{i}" for i in range(1, 8))
FINGER_JOINT_NAMES = ("fr3_finger_joint1", "fr3_finger_joint2")


def forward(q_rad: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pose and Jacobian of the tool centre point.

    Args:
        q_rad: (7,) joint positions.

    Returns:
        (4, 4) pose in the base frame and the (6, 7) geometric Jacobian (linear, angular; base).
    """
    T = np.eye(4)
    axes, origins = np.empty((7, 3)), np.empty((7, 3))
    for i, (a_m, d_m, alpha_rad) in enumerate(_DH):
        cq, sq = np.cos(q_rad[i]), np.sin(q_rad[i])
        ca, sa = np.cos(alpha_rad), np.sin(alpha_rad)
        T = T @ np.array(
            [
                [cq, -sq, 0.0, a_m],
                [sq * ca, cq * ca, -sa, -d_m * sa],
                [sq * sa, cq * sa, ca, d_m * ca],
                [0.0, 0.0, 0.0, 1.0],
            ]
        )
        axes[i], origins[i] = T[:3, 2], T[:3, 3]
    T = T @ _T_JOINT7_EE
    linear = np.cross(axes, T[:3, 3] - origins)
    return T, np.vstack([linear.T, axes.T])


def joint_velocities(
    q_rad: NDArray[np.float64], twist_base: NDArray[np.float64], damping: float = 1e-3
) -> NDArray[np.float64]:
    """Joint velocities (7,) [rad/s] of a twist (6,), damped least squares."""
    _, J = forward(q_rad)
    regular = J @ J.T + damping**2 * np.eye(6)
    return np.asarray(J.T @ np.linalg.solve(regular, twist_base))

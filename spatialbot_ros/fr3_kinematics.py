"""Forward kinematics and Jacobian of the Franka FR3 with the Franka hand, numpy only.

Denavit-Hartenberg parameters (modified, Craig) as Franka publishes them for the FR3; the
end effector is the tool centre point of the hand, 0.1034 m beyond the flange, turned by
-45 degrees, which is what the robot reports as O_T_EE with the hand configured.
"""

from dataclasses import dataclass

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

_A_M = np.array([row[0] for row in _DH])
_D_M = np.array([row[1] for row in _DH])
_COS_ALPHA = np.round(np.cos([row[2] for row in _DH]), 15)
_SIN_ALPHA = np.sin([row[2] for row in _DH])


@dataclass(frozen=True, slots=True)
class ArmFrames:
    """Where everything is at one joint configuration, in the base frame.

    Attributes:
        T_base_link: (8, 4, 4) frames of joints 1..7 and of the tool centre point.
        jacobian: (6, 7) geometric Jacobian of the tool centre point (linear, angular).
    """

    T_base_link: NDArray[np.float64]
    jacobian: NDArray[np.float64]

    @property
    def T_base_ee(self) -> NDArray[np.float64]:
        """(4, 4) pose of the tool centre point."""
        return np.asarray(self.T_base_link[7])


def frames(q_rad: NDArray[np.float64]) -> ArmFrames:
    """Frames of all links and the Jacobian at joint positions (7,)."""
    cos_q, sin_q = np.cos(q_rad), np.sin(q_rad)
    step = np.zeros((7, 4, 4))
    step[:, 0, 0], step[:, 0, 1], step[:, 0, 3] = cos_q, -sin_q, _A_M
    step[:, 1, 0], step[:, 1, 1] = sin_q * _COS_ALPHA, cos_q * _COS_ALPHA
    step[:, 1, 2], step[:, 1, 3] = -_SIN_ALPHA, -_D_M * _SIN_ALPHA
    step[:, 2, 0], step[:, 2, 1] = sin_q * _SIN_ALPHA, cos_q * _SIN_ALPHA
    step[:, 2, 2], step[:, 2, 3] = _COS_ALPHA, _D_M * _COS_ALPHA
    step[:, 3, 3] = 1.0
    T_links = np.empty((8, 4, 4))
    T = T_links[0] = step[0]
    for i in range(1, 7):
        T = T_links[i] = T @ step[i]
    T_links[7] = T @ _T_JOINT7_EE
    axes = T_links[:7, :3, 2]
    arms = T_links[7, :3, 3] - T_links[:7, :3, 3]
    jacobian = np.empty((6, 7))
    # numpy's cross product costs more than the rest of the function
    jacobian[0] = axes[:, 1] * arms[:, 2] - axes[:, 2] * arms[:, 1]
    jacobian[1] = axes[:, 2] * arms[:, 0] - axes[:, 0] * arms[:, 2]
    jacobian[2] = axes[:, 0] * arms[:, 1] - axes[:, 1] * arms[:, 0]
    jacobian[3:] = axes.T
    return ArmFrames(T_links, jacobian)


def tool_points(q_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) tool centre points at joint positions (n, 7), base frame."""
    point = np.broadcast_to(_T_JOINT7_EE[:3, 3], (len(q_rad), 3))
    cos_q, sin_q = np.cos(q_rad), np.sin(q_rad)
    # from the tool towards the base: points are cheaper than matrices
    for i in range(6, -1, -1):
        c, s = cos_q[:, i], sin_q[:, i]
        x, y, z = point[:, 0], point[:, 1], point[:, 2]
        turned = s * x + c * y
        along = z + _D_M[i]
        point = np.empty((len(q_rad), 3))
        point[:, 0] = c * x - s * y + _A_M[i]
        point[:, 1] = _COS_ALPHA[i] * turned - _SIN_ALPHA[i] * along
        point[:, 2] = _SIN_ALPHA[i] * turned + _COS_ALPHA[i] * along
    return point


def forward(q_rad: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pose and Jacobian of the tool centre point.

    Args:
        q_rad: (7,) joint positions.

    Returns:
        (4, 4) pose in the base frame and the (6, 7) geometric Jacobian (linear, angular; base).
    """
    found = frames(q_rad)
    return found.T_base_ee, found.jacobian


def damped_inverse(jacobian: NDArray[np.float64], damping: float = 1e-3) -> NDArray[np.float64]:
    """(7, 6) damped least-squares inverse of a Jacobian: the least motion of the joints."""
    regular = jacobian @ jacobian.T
    regular.flat[::7] += damping**2
    return np.asarray(np.linalg.solve(regular, jacobian).T)


def joint_velocities(
    q_rad: NDArray[np.float64], twist_base: NDArray[np.float64], damping: float = 1e-3
) -> NDArray[np.float64]:
    """Joint velocities (7,) [rad/s] of a twist (6,), damped least squares."""
    return damped_inverse(frames(q_rad).jacobian, damping) @ twist_base


def solve(
    T_base_ee: NDArray[np.float64], q_rad: NDArray[np.float64], num_steps: int = 3
) -> tuple[NDArray[np.float64], ArmFrames, float]:
    """Joint positions near `q_rad` that bring the tool to a pose close by, by Newton's method.

    Returns:
        (7,) joint positions, the frames there, and what is left of the way [m and rad, the
        larger of both].
    """
    found = frames(q_rad)
    for _ in range(num_steps):
        error = _pose_error(T_base_ee, found.T_base_ee)
        if float(np.max(np.abs(error))) < 1e-4:
            break
        q_rad = q_rad + damped_inverse(found.jacobian, 0.01) @ error
        found = frames(q_rad)
    return q_rad, found, float(np.max(np.abs(_pose_error(T_base_ee, found.T_base_ee))))


def _pose_error(
    T_base_a: NDArray[np.float64], T_base_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    R = T_base_a[:3, :3] @ T_base_b[:3, :3].T
    error = np.empty(6)
    error[:3] = T_base_a[:3, 3] - T_base_b[:3, 3]
    # the axis times the sine of the angle: exact enough for Newton's method, and quick
    error[3:] = 0.5 * (R[2, 1] - R[1, 2]), 0.5 * (R[0, 2] - R[2, 0]), 0.5 * (R[1, 0] - R[0, 1])
    return error

"""Rigid transforms as (4, 4) matrices, extrinsic roll-pitch-yaw and quaternions (x, y, z, w)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]


def compose(rotation: ArrayLike, translation_m: ArrayLike) -> Matrix:
    """(4, 4) from a (3, 3) rotation and a (3,) translation [m]."""
    T = np.eye(4)
    T[:3, :3] = rotation
    T[:3, 3] = translation_m
    return T


def invert(T: Matrix) -> Matrix:
    """Inverse of a rigid transform."""
    R_t = T[:3, :3].T
    return compose(R_t, -R_t @ T[:3, 3])


def transform_points(T: Matrix, points_m: ArrayLike) -> Matrix:
    """Apply T to points of shape (..., 3)."""
    return np.asarray(points_m, dtype=np.float64) @ T[:3, :3].T + T[:3, 3]


def rpy_to_matrix(rpy_rad: ArrayLike) -> Matrix:
    """Extrinsic (fixed-axis) roll, pitch, yaw [rad] to (3, 3): Rz(yaw) Ry(pitch) Rx(roll)."""
    roll, pitch, yaw = np.asarray(rpy_rad, dtype=np.float64)
    cr, sr = np.cos(roll), np.sin(roll)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def matrix_to_rpy(R: Matrix) -> Matrix:
    """(3, 3) to extrinsic roll, pitch, yaw [rad]; roll is 0 at gimbal lock."""
    pitch = np.arctan2(-R[2, 0], np.hypot(R[0, 0], R[1, 0]))
    if np.hypot(R[0, 0], R[1, 0]) < 1e-9:
        return np.array([0.0, pitch, np.arctan2(-R[0, 1], R[1, 1])])
    return np.array([np.arctan2(R[2, 1], R[2, 2]), pitch, np.arctan2(R[1, 0], R[0, 0])])


def quaternion_to_matrix(quaternion_xyzw: ArrayLike) -> Matrix:
    """Quaternion (x, y, z, w), normalised here, to (3, 3)."""
    x, y, z, w = np.asarray(quaternion_xyzw, dtype=np.float64) / np.linalg.norm(quaternion_xyzw)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def matrix_to_quaternion(R: Matrix) -> Matrix:
    """(3, 3) to quaternion (x, y, z, w) with w >= 0."""
    # Bar-Itzhack: the eigenvector of the largest eigenvalue is exact and branch-free
    K = np.array(
        [
            [R[0, 0] - R[1, 1] - R[2, 2], R[1, 0] + R[0, 1], R[2, 0] + R[0, 2], R[2, 1] - R[1, 2]],
            [R[1, 0] + R[0, 1], R[1, 1] - R[0, 0] - R[2, 2], R[2, 1] + R[1, 2], R[0, 2] - R[2, 0]],
            [R[2, 0] + R[0, 2], R[2, 1] + R[1, 2], R[2, 2] - R[0, 0] - R[1, 1], R[1, 0] - R[0, 1]],
            [R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], R[0, 0] + R[1, 1] + R[2, 2]],
        ]
    )
    quaternion = np.linalg.eigh(K / 3.0)[1][:, -1]
    return quaternion if quaternion[3] >= 0 else -quaternion


def rotation_vector(R: Matrix) -> Matrix:
    """(3, 3) to axis times angle [rad], angle in [0, pi]."""
    quaternion = matrix_to_quaternion(R)
    sin_half = np.linalg.norm(quaternion[:3])
    if sin_half < 1e-12:
        return np.zeros(3)
    angle = 2.0 * np.arctan2(sin_half, quaternion[3])
    return np.asarray(quaternion[:3] / sin_half * angle)


def rotation_from_vector(vector_rad: ArrayLike) -> Matrix:
    """Axis times angle [rad], shape (3,), to (3, 3): inverse of `rotation_vector`."""
    x, y, z = np.asarray(vector_rad, dtype=np.float64)
    angle = float(np.sqrt(x * x + y * y + z * z))
    K = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    # sinc forms stay exact at angle 0
    sine = np.sinc(angle / np.pi)
    versine = 0.5 * np.sinc(0.5 * angle / np.pi) ** 2
    return np.asarray(np.eye(3) + sine * K + versine * (K @ K))

"""Forward kinematics against what the robot itself reports, and its Jacobian."""

import numpy as np
import pytest

from spatialbot_model.contracts.transforms import rotation_vector
from spatialbot_ros.fr3_kinematics import forward, joint_velocities, tool_points


def test_the_ready_pose_is_the_one_that_the_robot_reports():
    q_rad = np.array([0, -np.pi / 4, 0, -3 * np.pi / 4, 0, np.pi / 2, np.pi / 4])
    T, _ = forward(q_rad)
    np.testing.assert_allclose(T[:3, 3], [0.3069, 0.0, 0.4869], atol=1e-4)
    np.testing.assert_allclose(T[:3, :3], np.diag([1.0, -1.0, -1.0]), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_jacobian_is_the_derivative(seed):
    q_rad = np.random.default_rng(seed).uniform(-1.5, 1.5, 7)
    T, J = forward(q_rad)
    step = 1e-6
    for i in range(7):
        T_moved, _ = forward(q_rad + step * np.eye(7)[i])
        np.testing.assert_allclose((T_moved[:3, 3] - T[:3, 3]) / step, J[:3, i], atol=1e-5)
        turn = rotation_vector(T_moved[:3, :3] @ T[:3, :3].T)
        np.testing.assert_allclose(turn / step, J[3:, i], atol=1e-5)


def test_joint_velocities_make_the_twist():
    q_rad = np.array([0.1, -0.5, 0.2, -2.4, 0.1, 2.0, 0.7])
    twist = np.array([0.1, -0.05, 0.02, 0.1, 0.2, -0.3])
    _, J = forward(q_rad)
    np.testing.assert_allclose(J @ joint_velocities(q_rad, twist), twist, atol=1e-4)


def test_joint_velocities_stay_finite_at_a_singularity():
    dq = joint_velocities(np.zeros(7), np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert np.all(np.isfinite(dq))


def test_points_of_many_postures_are_those_of_each():
    rng = np.random.default_rng(4)
    q_rad = rng.uniform(-1.5, 1.5, (20, 7))
    expected_m = [forward(q)[0][:3, 3] for q in q_rad]
    np.testing.assert_allclose(tool_points(q_rad), expected_m, atol=1e-12)

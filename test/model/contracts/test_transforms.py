"""Rigid transforms: every conversion is undone by its inverse, conventions are pinned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts import transforms as tf

angle = st.floats(-3.1, 3.1)
pitch = st.floats(-1.5, 1.5)
rpy = st.tuples(angle, pitch, angle)
point = st.tuples(*[st.floats(-5.0, 5.0)] * 3)


@given(rpy)
def test_rpy_survives_the_matrix(rpy_rad: tuple[float, ...]) -> None:
    R = tf.rpy_to_matrix(rpy_rad)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1.0)
    np.testing.assert_allclose(tf.matrix_to_rpy(R), rpy_rad, atol=1e-9)


@pytest.mark.parametrize("pitch_rad", [np.pi / 2, -np.pi / 2])
def test_gimbal_lock_still_gives_the_same_rotation(pitch_rad: float) -> None:
    R = tf.rpy_to_matrix([0.3, pitch_rad, -0.8])
    back_rad = tf.matrix_to_rpy(R)
    assert back_rad[0] == 0.0
    np.testing.assert_allclose(tf.rpy_to_matrix(back_rad), R, atol=1e-9)


def test_rpy_is_extrinsic_roll_first_about_fixed_axes() -> None:
    quarter = np.pi / 2
    # roll turns y to z; then yaw about the fixed z leaves it there
    np.testing.assert_allclose(
        tf.rpy_to_matrix([quarter, 0, quarter]) @ [0, 1, 0], [0, 0, 1], atol=1e-12
    )
    np.testing.assert_allclose(tf.rpy_to_matrix([0, 0, quarter]) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(
        tf.rpy_to_matrix([0, quarter, 0]) @ [1, 0, 0], [0, 0, -1], atol=1e-12
    )


@given(rpy)
def test_quaternions_survive_the_matrix_with_w_not_negative(rpy_rad: tuple[float, ...]) -> None:
    R = tf.rpy_to_matrix(rpy_rad)
    quaternion = tf.matrix_to_quaternion(R)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0)
    assert quaternion[3] >= 0.0
    np.testing.assert_allclose(tf.quaternion_to_matrix(quaternion), R, atol=1e-9)
    np.testing.assert_allclose(tf.quaternion_to_matrix(-3.0 * quaternion), R, atol=1e-9)


def test_quaternions_are_x_y_z_w() -> None:
    half = np.sqrt(0.5)
    np.testing.assert_allclose(tf.matrix_to_quaternion(np.eye(3)), [0, 0, 0, 1], atol=1e-12)
    quarter_yaw = tf.rpy_to_matrix([0, 0, np.pi / 2])
    np.testing.assert_allclose(tf.matrix_to_quaternion(quarter_yaw), [0, 0, half, half], atol=1e-9)


@given(rpy, point, point)
def test_a_transform_is_undone_by_its_inverse(
    rpy_rad: tuple[float, ...], translation_m: tuple[float, ...], point_m: tuple[float, ...]
) -> None:
    T = tf.compose(tf.rpy_to_matrix(rpy_rad), translation_m)
    np.testing.assert_allclose(T @ tf.invert(T), np.eye(4), atol=1e-9)
    there_m = tf.transform_points(T, [point_m, translation_m])
    np.testing.assert_allclose(there_m[0], (T @ [*point_m, 1.0])[:3], atol=1e-9)
    np.testing.assert_allclose(tf.transform_points(tf.invert(T), there_m)[0], point_m, atol=1e-9)


@given(point.filter(lambda axis: np.linalg.norm(axis) > 1e-3), st.floats(1e-6, np.pi - 1e-6))
def test_rotation_vector_is_axis_times_angle(axis: tuple[float, ...], angle_rad: float) -> None:
    unit = np.array(axis) / np.linalg.norm(axis)
    quaternion = [*(unit * np.sin(angle_rad / 2)), np.cos(angle_rad / 2)]
    vector = tf.rotation_vector(tf.quaternion_to_matrix(quaternion))
    np.testing.assert_allclose(vector, unit * angle_rad, atol=1e-6)
    back = tf.rotation_from_vector(unit * angle_rad)
    np.testing.assert_allclose(back, tf.quaternion_to_matrix(quaternion), atol=1e-9)


def test_rotation_vector_of_no_rotation_is_zero() -> None:
    assert tf.rotation_vector(np.eye(3)).tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(tf.rotation_from_vector([0, 0, 0]), np.eye(3))

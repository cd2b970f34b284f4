"""Value types: what a frame may hold, and where pixels lie in space."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import compose, rpy_to_matrix
from spatialbot_model.contracts.types import (
    ROBOT_STATE_WIDTH,
    CameraIntrinsics,
    Observation,
    RgbdFrame,
    RobotState,
)

INTRINSICS = CameraIntrinsics(640, 480, 600.0, 610.0, 319.5, 239.5)


def frame(**changes: object) -> RgbdFrame:
    values = {
        "stamp_ns": 1,
        "color": np.zeros((480, 640, 3), np.uint8),
        "depth_mm": np.zeros((480, 640), np.uint16),
        "intrinsics": INTRINSICS,
    }
    return RgbdFrame(**{**values, **changes})  # type: ignore[arg-type]


@given(st.floats(-50, 700), st.floats(-50, 500), st.floats(0.1, 10.0))
def test_projection_undoes_deprojection(u_px: float, v_px: float, z_m: float) -> None:
    point_m = INTRINSICS.deproject(np.array(u_px), np.array(v_px), np.array(z_m))
    assert point_m.shape == (3,)
    assert point_m[2] == z_m
    np.testing.assert_allclose(INTRINSICS.project(point_m), [u_px, v_px], atol=1e-6)


def test_the_principal_point_is_the_optical_axis_and_x_goes_right_y_down() -> None:
    u_px, v_px = np.array([319.5, 919.5]), np.array([239.5, 849.5])
    points_m = INTRINSICS.deproject(u_px, v_px, np.array([2.0, 2.0]))
    np.testing.assert_allclose(points_m, [[0, 0, 2], [2, 2, 2]])
    np.testing.assert_allclose(INTRINSICS.matrix @ [0, 0, 1], [319.5, 239.5, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"color": np.zeros((480, 640, 3), np.float32)}, "color is float32"),
        ({"color": np.zeros((480, 640), np.uint8)}, "color"),
        ({"color": np.zeros((640, 480, 3), np.uint8)}, "color"),
        ({"depth_mm": np.zeros((480, 640), np.float32)}, "millimetres"),
        ({"depth_mm": np.zeros((240, 320), np.uint16)}, "aligned"),
    ],
)
def test_frames_of_wrong_type_or_size_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        frame(**changes)


def test_frames_are_immutable_and_hold_the_callers_arrays() -> None:
    color = np.zeros((480, 640, 3), np.uint8)
    held = frame(color=color)
    assert held.color is color
    with pytest.raises(dataclasses.FrozenInstanceError):
        held.stamp_ns = 2  # type: ignore[misc]


def test_the_newest_frame_of_an_observation_is_the_first() -> None:
    newest, oldest = frame(stamp_ns=2), frame(stamp_ns=1)
    assert Observation((newest, oldest), "wave", np.eye(4)).newest is newest


@given(
    st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    st.tuples(*[st.floats(-1.0, 1.0)] * 3),
    st.floats(0.0, 0.08),
    st.booleans(),
    st.floats(-0.2, 0.2),
)
def test_a_robots_state_comes_back_from_its_vector(
    rpy_rad: tuple[float, ...],
    position_m: tuple[float, ...],
    width_m: float,
    closed: bool,
    speed_m_s: float,
) -> None:
    T_base_ee = compose(rpy_to_matrix(rpy_rad), position_m)
    T_base_target = compose(np.diag([1.0, -1.0, -1.0]), position_m[::-1])
    vector = RobotState(T_base_ee, T_base_target, width_m, closed, speed_m_s).vector()
    assert vector.dtype == np.float32
    assert vector.shape == (ROBOT_STATE_WIDTH,)
    assert vector[:3].tolist() == np.float32(position_m).tolist()
    assert vector[3:6].tolist() == T_base_ee[:3, 0].astype(np.float32).tolist()
    assert vector[6:9].tolist() == T_base_ee[:3, 1].astype(np.float32).tolist()
    assert vector[9:11].tolist() == [np.float32(width_m), float(closed)]
    assert vector[11:14].tolist() == np.float32(position_m[::-1]).tolist()
    assert vector[20] == np.float32(speed_m_s)
    back = RobotState.from_vector(vector)
    assert back is not None
    np.testing.assert_allclose(back.T_base_ee, T_base_ee, atol=1e-6)
    np.testing.assert_allclose(back.T_base_target, T_base_target, atol=1e-6)
    assert back.gripper_closed is closed
    # what is learned from and what the robot tells are the same numbers to the last bit
    assert np.array_equal(back.vector(), vector)


def test_an_unknown_state_is_none_and_a_broken_one_is_refused() -> None:
    unknown = np.full(ROBOT_STATE_WIDTH, np.nan, np.float32)
    assert RobotState.from_vector(unknown) is None
    unknown[:9] = 0.0
    assert RobotState.from_vector(unknown) is None
    with pytest.raises(ConfigurationError, match=r"expected \(21,\)"):
        RobotState.from_vector(np.zeros(10, np.float32))
    for T_base_ee, width_m, says in (
        (np.eye(3), 0.08, "expected float64"),
        (np.eye(4, dtype=np.float32), 0.08, "expected float64"),
        (np.full((4, 4), np.nan), 0.08, "finite"),
        (np.eye(4), float("inf"), "finite"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            RobotState(T_base_ee, np.eye(4), width_m, False)
    with pytest.raises(ConfigurationError, match="finite"):
        RobotState(np.eye(4), np.eye(4), 0.08, False, float("nan"))
    with pytest.raises(ConfigurationError, match="expected float64"):
        RobotState(np.eye(4), np.eye(3), 0.08, False)

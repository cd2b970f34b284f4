"""Value types: what a frame may hold, and where pixels lie in space."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import CameraIntrinsics, Observation, RgbdFrame

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

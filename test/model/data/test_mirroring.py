"""A mirrored scene is what the camera's picture turned left to right shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import (
    compose,
    invert,
    matrix_to_rpy,
    rpy_to_matrix,
    transform_points,
)
from spatialbot_model.contracts.types import RobotState
from spatialbot_model.data.mirroring import (
    mirror_y_m,
    mirrored_bins,
    mirrored_instruction,
    mirrored_poses,
    mirrored_states,
)
from spatialbot_model.training.waypoints import headings_rad
from spatialbot_ros.configuration import load_cell

MIRROR = np.diag([1.0, -1.0, 1.0])

metres = st.floats(-0.5, 0.5)


def in_mirror(T: np.ndarray, y_m: float) -> np.ndarray:
    """Independent of what is tested: the pose as a matrix."""
    return compose(MIRROR @ T[:3, :3] @ MIRROR, MIRROR @ T[:3, 3] + [0.0, 2.0 * y_m, 0.0])


@given(st.floats(0.2, 0.8), metres, st.floats(0.0, 0.4))
def test_a_mirrored_point_is_seen_at_the_turned_column_as_far_away(
    x_m: float, y_m: float, z_m: float
) -> None:
    T_base_camera = load_cell().camera.T_base_color
    mirror_m = mirror_y_m(T_base_camera)
    points_m = np.array([[x_m, y_m, z_m], [x_m, 2.0 * mirror_m - y_m, z_m]])
    seen, turned = transform_points(invert(T_base_camera), points_m)
    np.testing.assert_allclose(turned, [-seen[0], seen[1], seen[2]], atol=1e-9)


@given(st.tuples(*[st.floats(-1.5, 1.5)] * 3), st.tuples(metres, metres, metres), metres)
def test_states_and_poses_are_those_of_the_mirror_image(
    rpy_rad: tuple[float, ...], position_m: tuple[float, ...], y_m: float
) -> None:
    T = compose(rpy_to_matrix(rpy_rad), position_m)
    T_target = compose(rpy_to_matrix(rpy_rad[::-1]), position_m[::-1])
    state = RobotState(T, T_target, 0.05, True, -0.03).vector()
    wanted = RobotState(in_mirror(T, y_m), in_mirror(T_target, y_m), 0.05, True, -0.03).vector()
    found = mirrored_states(state[None], y_m)
    np.testing.assert_allclose(found[0], wanted, atol=1e-6)

    heading = float(headings_rad(state[None])[0])
    pose = np.array([[*position_m, heading]], np.float32)
    np.testing.assert_allclose(mirrored_poses(pose, y_m)[0, :3], wanted[:3], atol=1e-6)
    np.testing.assert_allclose(
        mirrored_poses(pose, y_m)[0, 3], headings_rad(wanted[None])[0], atol=1e-5
    )


@given(st.tuples(*[st.integers(0, 100)] * 7))
def test_an_action_is_that_of_the_mirror_image(bins: tuple[int, ...]) -> None:
    found = mirrored_bins(np.array([bins, (-1,) * 7]))
    assert found[1].tolist() == [-1] * 7
    spec = ActionSpec()
    action, mirrored = DeltaAction(bins, spec), DeltaAction(tuple(found[0].tolist()), spec)
    np.testing.assert_allclose(mirrored.translation_m, MIRROR @ action.translation_m, atol=1e-12)
    R = MIRROR @ rpy_to_matrix(action.rotation_rad) @ MIRROR
    np.testing.assert_allclose(mirrored.rotation_rad, matrix_to_rpy(R), atol=1e-9)
    assert mirrored.gripper_closed == action.gripper_closed


def test_sides_change_their_names_and_nothing_else_does() -> None:
    said = "Put the leftmost cube right of the tall bottle, seen from your left"
    turned = "Put the rightmost cube left of the tall bottle, seen from your right"
    assert mirrored_instruction(said) == turned
    assert mirrored_instruction(turned) == said
    assert mirrored_instruction("Left of it lies the small ball") == (
        "Right of it lies the small ball"
    )


@pytest.mark.parametrize("yaw_rad", [0.2, np.pi / 2, np.nan])
def test_a_camera_that_looks_aside_or_from_nowhere_sees_no_mirrored_scene(yaw_rad: float) -> None:
    T = load_cell().camera.T_base_color.copy()
    T[:3, :3] = rpy_to_matrix([0.0, 0.0, yaw_rad]) @ T[:3, :3]
    with pytest.raises(ConfigurationError, match=r"data\.mirrored=false"):
        mirror_y_m(T)

"""Chains of static frames."""

import numpy as np

from spatialbot_model.contracts.frame_tree import FrameTree
from spatialbot_model.contracts.transforms import compose, rpy_to_matrix


def pose(*numbers: float) -> np.ndarray:
    return compose(rpy_to_matrix(numbers[3:]), numbers[:3])


T_A_B = pose(1.0, 2.0, 3.0, 0.1, 0.2, 0.3)
T_B_C = pose(0.5, 0.0, -1.0, 0.0, 0.4, 1.3)
T_A_D = pose(-1.0, 0.3, 0.0, 2.0, 0.0, 0.0)


def test_chains_compose_up_down_and_across() -> None:
    tree = FrameTree()
    for parent, child, T in (("a", "b", T_A_B), ("b", "c", T_B_C), ("a", "d", T_A_D)):
        tree.set(parent, child, T)
    np.testing.assert_allclose(tree.lookup("a", "c"), T_A_B @ T_B_C)
    np.testing.assert_allclose(tree.lookup("c", "a") @ T_A_B @ T_B_C, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(T_A_D @ tree.lookup("d", "c"), T_A_B @ T_B_C, atol=1e-12)
    np.testing.assert_allclose(tree.lookup("c", "c"), np.eye(4), atol=1e-12)


def test_unjoined_frames_have_no_pose_and_a_loop_ends() -> None:
    tree = FrameTree()
    tree.set("a", "b", T_A_B)
    assert tree.lookup("a", "z") is None
    tree.set("b", "a", T_B_C)
    tree.lookup("a", "z")


def test_a_later_pose_replaces_the_earlier() -> None:
    tree = FrameTree()
    tree.set("a", "b", T_A_B)
    tree.set("a", "b", T_A_D)
    np.testing.assert_allclose(tree.lookup("a", "b"), T_A_D)

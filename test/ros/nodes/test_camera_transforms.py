"""The camera's static frames compose to the calibration they were made from."""

import numpy as np

from spatialbot_model.contracts.cell import R_LINK_OPTICAL
from spatialbot_model.contracts.frame_tree import FrameTree
from spatialbot_model.contracts.transforms import compose, rpy_to_matrix
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.camera_transforms import base_transform, camera_transforms
from spatialbot_ros.nodes.conversions import msg_to_transform


def tree_of(transforms) -> FrameTree:
    tree = FrameTree()
    for t in transforms:
        tree.set(t.header.frame_id, t.child_frame_id, msg_to_transform(t.transform))
    return tree


def test_optical_frames_keep_the_extrinsics_of_the_device() -> None:
    T_color_depth = compose(rpy_to_matrix([0.01, -0.02, 0.03]), [0.0149, 0.0002, -0.0003])
    tree = tree_of(camera_transforms(T_color_depth, 0))
    found = tree.lookup("camera_color_optical_frame", "camera_depth_optical_frame")
    np.testing.assert_allclose(found, T_color_depth, atol=1e-9)
    body = tree.lookup("camera_link", "camera_depth_optical_frame")
    np.testing.assert_allclose(body, compose(R_LINK_OPTICAL, np.zeros(3)), atol=1e-9)
    upright = tree.lookup("camera_color_frame", "camera_color_optical_frame")
    np.testing.assert_allclose(upright, compose(R_LINK_OPTICAL, np.zeros(3)), atol=1e-9)


def test_the_mount_of_the_cell_leads_to_its_colour_pose() -> None:
    cell = load_cell()
    offset_m = cell.camera.color_offset_m
    # camera_link is x forward, y left, z up; optical is x right, y down, z forward
    T_color_depth = compose(np.eye(3), [offset_m[1], offset_m[2], -offset_m[0]])
    tree = tree_of([base_transform(cell, 0), *camera_transforms(T_color_depth, 0)])
    np.testing.assert_allclose(
        tree.lookup("fr3_link0", "camera_color_optical_frame"), cell.camera.T_base_color, atol=1e-9
    )

"""The cover of the arm: never smaller than its meshes, clear in the workspace, and it notices."""

import struct
from pathlib import Path

import franky_sim
import numpy as np
import pytest
from scipy.spatial import cKDTree

from spatialbot_model.contracts.transforms import rpy_to_matrix
from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.fr3_kinematics import frames, solve
from spatialbot_ros.safety_bodies import CAPSULES, ArmBodies
from spatialbot_ros.safety_limits import KeepOutBox, SafetyLimits

CELL = load_cell()
MESHES = Path(franky_sim.__file__).parent / "assets" / "meshes"
TCP_IN_HAND_M = np.array([0.0, 0.0, 0.1034])


def vertices(part):
    """Corners and middles of the triangles of a collision mesh, in the frame of the capsules."""
    data = (MESHES / f"{part}_coll.stl").read_bytes()
    (number,) = struct.unpack("<I", data[80:84])
    layout = np.dtype([("normal", "<3f4"), ("corners", "<9f4"), ("spare", "<u2")])
    corners = np.frombuffer(data[84:], layout, number)["corners"].reshape(-1, 3, 3).astype(float)
    points = np.concatenate([corners.reshape(-1, 3), corners.mean(axis=1)])
    return points - TCP_IN_HAND_M if part == "hand" else points


@pytest.mark.parametrize("part", ["link0", *(f"link{i}" for i in range(1, 8)), "hand"])
def test_the_cover_is_never_smaller_than_the_mesh(part):
    points = vertices(part)
    outside = np.full(len(points), np.inf)
    for name, begin, end, radius_m in CAPSULES:
        if name == part:
            a, way = np.array(begin), np.array(end) - np.array(begin)
            share = np.clip((points - a) @ way / (way @ way), 0.0, 1.0)
            distance = np.linalg.norm(points - a - share[:, None] * way, axis=1) - radius_m
            outside = np.minimum(outside, distance)
    assert np.max(outside) < 0.002


def test_link_5_and_the_wrist_keep_apart_by_the_range_of_joint_6():
    """Which is why the filter does not compare them, and why the simulator lets them pass."""
    forearm = vertices("link5")
    for q6 in np.linspace(fr3.JOINT_LOWER_RAD[5], fr3.JOINT_UPPER_RAD[5], 12):
        for q7 in np.linspace(fr3.JOINT_LOWER_RAD[6], fr3.JOINT_UPPER_RAD[6], 12):
            T_links = frames(np.array([0.0, 0.0, 0.0, -1.6, 0.0, q6, q7])).T_base_link
            for part, frame in (("link7", 6), ("hand", 7)):
                R, origin_m = T_links[frame, :3, :3], T_links[frame, :3, 3]
                points = vertices(part) @ R.T + origin_m
                # to link 5, where the forearm's points are
                points = (points - T_links[4, :3, 3]) @ T_links[4, :3, :3]
                nearest_m, _ = cKDTree(forearm).query(points)
                assert nearest_m.min() > 0.015


def test_the_arm_is_clear_of_itself_all_over_the_workspace():
    bodies, home = ArmBodies(CELL.table_top_z_m), frames(CELL.home_joints_rad)
    rng = np.random.default_rng(1)
    reached = 0
    for _ in range(60):
        T = home.T_base_ee.copy()
        T[:3, :3] = rpy_to_matrix([0.0, 0.0, rng.uniform(-1.0, 1.0)]) @ T[:3, :3]
        T[:3, 3] = rng.uniform(CELL.workspace_min_m, CELL.workspace_max_m)
        _, found, left = solve(T, CELL.home_joints_rad, 30)
        if left < 1e-3:
            reached += 1
            assert bodies.clearance(found).distance_m > 0.01
    assert reached > 40


def test_a_folded_arm_touches_itself():
    # the hand is laid against the base
    folded = frames(np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.0]))
    nearest = ArmBodies(-5.0).clearance(folded)
    assert nearest.distance_m < 0.0


def test_an_elbow_below_the_table_is_noticed():
    lying = frames(np.array([0.0, 1.75, 0.0, -0.2, 0.0, 1.8, 0.0]))
    nearest = ArmBodies(CELL.table_top_z_m).clearance(lying)
    assert nearest.distance_m < 0.0
    assert nearest.second == "table"


@pytest.mark.parametrize(("lean_rad", "is_allowed"), [(0.0, True), (0.1, True), (0.4, False)])
def test_fingers_reach_the_table_but_a_tool_that_leans_does_not_land_on_one(lean_rad, is_allowed):
    bodies, home = ArmBodies(CELL.table_top_z_m), frames(CELL.home_joints_rad)
    T = home.T_base_ee.copy()
    T[:3, 3] = 0.5, 0.0, CELL.workspace_min_m[2] + (0.01 if lean_rad else 0.0)
    T[:3, :3] = rpy_to_matrix([lean_rad, 0.0, 0.0]) @ T[:3, :3]
    _, found, left = solve(T, CELL.home_joints_rad, 30)
    assert left < 1e-3
    nearest = bodies.clearance(found)
    assert (nearest.distance_m >= SafetyLimits().collision_margin_m) is is_allowed
    if not is_allowed:
        assert (nearest.first, nearest.second) == ("fingers", "table")


def test_corners_beyond_64_bit_are_numbers_like_others():
    # numpy makes an array of objects of such integers, which has no square root
    box = KeepOutBox("wall", (10**20, 0, 0), (10**30, 1, 1))
    bodies = ArmBodies(CELL.table_top_z_m, (box,))
    assert bodies.clearance(frames(CELL.home_joints_rad)).distance_m > 0.0


def test_a_keep_out_box_counts_for_every_part():
    home = frames(CELL.home_joints_rad)
    elbow_m = home.T_base_link[3, :3, 3]
    box = KeepOutBox("shelf", tuple(elbow_m - 0.05), tuple(elbow_m + 0.05))
    nearest = ArmBodies(CELL.table_top_z_m, (box,)).clearance(home)
    assert nearest.distance_m < 0.0 and nearest.second == "shelf"
    far = KeepOutBox("far", (2.0, 2.0, 2.0), (2.1, 2.1, 2.1))
    assert ArmBodies(CELL.table_top_z_m, (far,)).clearance(home).second != "far"

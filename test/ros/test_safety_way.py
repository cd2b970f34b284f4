"""The straight way of the joints: what is in it is found, and a close start does not forbid it."""

import numpy as np
import pytest

from spatialbot_model.contracts.transforms import compose, rotation_from_vector
from spatialbot_ros.configuration import load_cell, load_safety_limits
from spatialbot_ros.fr3_kinematics import frames, solve
from spatialbot_ros.safety_bodies import ArmBodies
from spatialbot_ros.safety_limits import KeepOutBox
from spatialbot_ros.safety_way import way_problem

CELL = load_cell()
HOME_RAD = np.asarray(CELL.home_joints_rad)
T_HOME = frames(HOME_RAD).T_base_ee
MARGIN_M = load_safety_limits().collision_margin_m
ASIDE_RAD = HOME_RAD + np.array([1.2, 0, 0, 0, 0, 0, 0])
# across the way of the hand, 6 mm thick: samples lie further apart
THIN = KeepOutBox("glass pane", (0.25, 0.209, 0.2), (0.35, 0.215, 0.4))


def bodies(*boxes):
    return ArmBodies(CELL.table_top_z_m, boxes)


def joints_at(position_m, yaw_rad=0.0):
    """Joints that the arm comes to when its tool goes straight to a place."""
    q_rad = HOME_RAD
    for share in np.linspace(0.0, 1.0, 12)[1:]:
        R = rotation_from_vector([0.0, 0.0, share * yaw_rad]) @ T_HOME[:3, :3]
        goal_m = T_HOME[:3, 3] + share * (np.array(position_m) - T_HOME[:3, 3])
        q_rad, _, left = solve(compose(R, goal_m), q_rad)
    assert left < 0.01
    return q_rad


LOW_M = CELL.table_top_z_m + 0.004
CORNERS = [(x, y, z) for x in (0.3, 0.65) for y in (-0.38, 0.0, 0.38) for z in (LOW_M, 0.4)]


@pytest.mark.parametrize("yaw_rad", [-1.2, 0.0, 1.2])
@pytest.mark.parametrize("place_m", CORNERS)
def test_from_where_the_arm_works_the_way_home_is_clear(place_m, yaw_rad):
    q_rad = joints_at(place_m, yaw_rad)
    assert way_problem(bodies(), MARGIN_M, q_rad, HOME_RAD) == ""


def test_a_thin_box_in_the_way_is_named():
    clear = way_problem(bodies(), MARGIN_M, ASIDE_RAD, HOME_RAD)
    blocked = way_problem(bodies(THIN), MARGIN_M, ASIDE_RAD, HOME_RAD)
    assert clear == "" and "of glass pane" in blocked and "%" in blocked


def test_the_table_and_the_arm_itself_are_in_the_way_too():
    low_rad = joints_at((0.5, 0.0, 0.1))
    under_rad = low_rad + np.array([0, 0.5, 0, 0, 0, 0, 0])
    assert "of table" in way_problem(bodies(), MARGIN_M, HOME_RAD, under_rad)
    folded_rad = HOME_RAD.copy()
    folded_rad[3], folded_rad[5] = -3.0, 0.6
    assert "of fingers" in way_problem(bodies(), MARGIN_M, HOME_RAD, folded_rad)


def test_an_arm_that_stands_close_may_move_away_and_no_closer():
    near = frames(ASIDE_RAD).T_base_ee[:3, 3]
    # 1 mm beside the hand
    low_m, high_m = np.add(near, (-0.2, 0.078, -0.1)), np.add(near, (0.1, 0.3, 0.1))
    wall = KeepOutBox("wall", tuple(low_m), tuple(high_m))
    beside = bodies(wall)
    begins_m = beside.clearance(frames(ASIDE_RAD)).distance_m
    assert begins_m < MARGIN_M
    assert way_problem(beside, MARGIN_M, ASIDE_RAD, HOME_RAD) == ""
    towards_rad = ASIDE_RAD + np.array([0.3, 0, 0, 0, 0, 0, 0])
    assert "of wall" in way_problem(beside, MARGIN_M, ASIDE_RAD, towards_rad)
    # once it is clear, another box is not excused by how it began
    assert "of glass pane" in way_problem(bodies(wall, THIN), MARGIN_M, ASIDE_RAD, HOME_RAD)

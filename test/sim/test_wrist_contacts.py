"""The simulated wrist is not held up by hulls of meshes that never meet."""

import mujoco
import numpy as np

from spatialbot_ros import fr3_limits as fr3
from spatialbot_ros.configuration import load_cell
from spatialbot_sim.logged_robot import EMPTY_TABLE
from spatialbot_sim.world import JOINT_NAMES, build_world


def contacts(world, q_rad):
    """Pairs of the robot's bodies that touch in a posture."""
    model, data = world.model, world.data
    data.qpos[[int(model.joint(name).qposadr[0]) for name in JOINT_NAMES]] = q_rad
    mujoco.mj_kinematics(model, data)
    mujoco.mj_collision(model, data)
    bodies = [
        {model.body(int(model.geom_bodyid[g])).name.removeprefix("robot0_") for g in contact.geom}
        for contact in data.contact
    ]
    return {tuple(sorted(pair)) for pair in bodies if len(pair) == 2}


def test_the_wrist_is_free_in_the_whole_range_of_its_joints():
    world = build_world(EMPTY_TABLE, load_cell())
    fingers = ("left_finger", "right_finger")
    for q6 in np.linspace(fr3.JOINT_LOWER_RAD[5], fr3.JOINT_UPPER_RAD[5], 20):
        for q7 in np.linspace(fr3.JOINT_LOWER_RAD[6], fr3.JOINT_UPPER_RAD[6], 30):
            found = contacts(world, np.array([0.0, -0.3, 0.0, -1.6, 0.0, q6, q7]))
            assert found <= {fingers}, (q6, q7, found)


def test_an_arm_that_folds_onto_its_base_still_touches_it():
    world = build_world(EMPTY_TABLE, load_cell())
    folded = np.array([0.0, -1.7, 0.0, -3.0, 0.0, 0.6, 0.0])
    assert ("fr3_link1", "hand") in contacts(world, folded)

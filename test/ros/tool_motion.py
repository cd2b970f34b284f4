"""Moves an arm by the speed of its tool, as the executor does."""

import numpy as np

from spatialbot_ros.fr3_kinematics import joint_velocities


def stream_twist(arm, twist_base, hold_s):
    """Stream the least joint speeds that move the tool with a twist (6,) where the arm is."""
    dq_rad_s = joint_velocities(arm.read_state().q_rad, np.asarray(twist_base, dtype=float))
    arm.stream_joints(dq_rad_s, hold_s)

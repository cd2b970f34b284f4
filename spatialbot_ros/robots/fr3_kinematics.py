"""Kinematics of the FR3; pure, because the safety filter needs it as well as the arms."""

from spatialbot_ros.fr3_kinematics import (
    FINGER_JOINT_NAMES,
    JOINT_NAMES,
    forward,
    joint_velocities,
)

__all__ = ["FINGER_JOINT_NAMES", "JOINT_NAMES", "forward", "joint_velocities"]

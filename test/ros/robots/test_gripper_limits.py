"""The fingers are commanded with the force and speed of the safety file, and no others."""

import numpy as np

from spatialbot_ros.configuration import load_cell
from spatialbot_ros.robots.franky_arm.gripper import FrankyGripper
from spatialbot_ros.robots.registry import ArmSettings, make_arm


class Recorded:
    """Test double of franky's gripper: remembers what it was called with."""

    def __init__(self):
        self.calls = []

    def grasp_async(self, width_m, speed_m_s, force_n, **_):
        self.calls.append(("grasp", width_m, speed_m_s, force_n))

    def move_async(self, width_m, speed_m_s):
        self.calls.append(("move", width_m, speed_m_s))


def test_force_and_speed_arrive_at_the_hand():
    settings = ArmSettings(
        address="127.0.0.1",
        home_joints_rad=np.array(load_cell().home_joints_rad),
        gripper_force_n=7.0,
        gripper_speed_m_s=0.02,
    )
    hand = Recorded()
    gripper = FrankyGripper(hand, make_arm("franky", settings)._config)
    gripper.start(closed=True)
    gripper.start(closed=False)
    assert hand.calls == [("grasp", 0.0, 0.02, 7.0), ("move", 0.08, 0.02)]

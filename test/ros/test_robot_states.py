"""The states that wait for their frames: order, clock resets, two topics of different age."""

import pytest
import synthetic_episode as synthetic

from spatialbot_model.contracts.transforms import compose
from spatialbot_ros.robot_states import RobotStates

MS = 1_000_000


def executor(ns: int, x_m: float = 0.5):
    point = synthetic.build("geometry_msgs/msg/Point", x=x_m, y=0.0, z=0.2)
    turn = synthetic.build("geometry_msgs/msg/Quaternion", x=1.0, y=0.0, z=0.0, w=0.0)
    return synthetic.build(
        "spatialbot_msgs/msg/ExecutorState",
        header=synthetic.header(ns),
        measured=synthetic.build("geometry_msgs/msg/Pose", position=point, orientation=turn),
        target=synthetic.build("geometry_msgs/msg/Pose", position=point, orientation=turn),
    )


def gripper(ns: int, width_m: float = 0.08, closed: bool = False):
    return synthetic.build(
        "spatialbot_msgs/msg/GripperState",
        header=synthetic.header(ns),
        width=width_m,
        closed_command=closed,
    )


def test_without_one_of_the_two_topics_nothing_is_known() -> None:
    states = RobotStates()
    assert states.at(0) is None
    states.add_executor(executor(20 * MS))
    assert states.at(30 * MS) is None
    states.add_gripper(gripper(20 * MS, 0.06, True))
    state = states.at(30 * MS)
    assert state is not None
    assert (state.T_base_ee == compose([[1, 0, 0], [0, -1, 0], [0, 0, -1]], [0.5, 0, 0.2])).all()
    assert (state.gripper_width_m, state.gripper_closed) == (0.06, True)


def test_a_frame_gets_its_own_state_and_not_the_newest() -> None:
    states = RobotStates()
    for k in range(1, 10):
        states.add_executor(executor(k * 20 * MS, x_m=0.01 * k))
        states.add_gripper(gripper(k * 20 * MS, closed=k >= 5))
    # a frame takes its time: it was exposed long before the newest state
    before, after = states.at(99 * MS), states.at(100 * MS)
    assert before is not None
    assert after is not None
    assert (before.T_base_ee[0, 3], before.gripper_closed) == (0.04, False)
    assert (after.T_base_ee[0, 3], after.gripper_closed) == (0.05, True)


def test_fingers_are_as_fast_as_they_were_in_the_last_tenth_of_a_second() -> None:
    states = RobotStates()
    states.add_executor(executor(0))
    for k in range(10):
        # 2 mm in 20 ms, then at rest
        states.add_gripper(gripper(k * 20 * MS, 0.08 - 0.002 * min(k, 5)))
    speeds_m_s = [states.at(k * 20 * MS).gripper_speed_m_s for k in (0, 3, 4, 5, 7, 9)]
    assert speeds_m_s == pytest.approx([0.0, 0.0, -0.1, -0.1, -0.05, 0.0])


def test_a_clock_that_was_set_back_begins_anew() -> None:
    states = RobotStates()
    for ns in (9000 * MS, 9020 * MS):
        states.add_executor(executor(ns))
        states.add_gripper(gripper(ns))
    states.add_executor(executor(20 * MS, x_m=0.3))
    states.add_gripper(gripper(20 * MS))
    state = states.at(25 * MS)
    assert state is not None
    assert state.T_base_ee[0, 3] == 0.3
    assert states.at(9020 * MS) is None


def test_it_forgets_what_is_long_past() -> None:
    states = RobotStates()
    for k in range(1, 1001):
        states.add_executor(executor(k * 20 * MS))
        states.add_gripper(gripper(k * 20 * MS))
    assert states.at(5000 * MS) is None
    assert states.at(20_000 * MS) is not None


def test_a_stamp_that_is_repeated_tells_the_latest() -> None:
    states = RobotStates()
    states.add_gripper(gripper(20 * MS))
    for x_m in (0.3, 0.4):
        states.add_executor(executor(20 * MS, x_m=x_m))
    state = states.at(25 * MS)
    assert state is not None
    assert state.T_base_ee[0, 3] == 0.4

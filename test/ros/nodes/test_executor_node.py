"""The executor node over real DDS, with the arm in memory and with franky and a simulated FR3."""

import numpy as np
import pytest
from executor_client import DOMAIN_ID, ExecutorClient, ExecutorProcess
from own_address import own_address
from robot_process import RobotProcess, wait_until
from std_msgs.msg import Empty

from spatialbot_model.contracts.errors import StaleDataError
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.qos import STOP
from spatialbot_ros.nodes.stop import STOP_TOPIC, request_stop
from spatialbot_ros.safety import WALL_ROOM_M

HOME_M = (0.36, 0.0, 0.30)
JOINT_NAMES = [f"fr3_joint{i}" for i in range(1, 8)] + ["fr3_finger_joint1", "fr3_finger_joint2"]


@pytest.fixture(scope="module", params=["memory", "franky"])
def running(request):
    """Client of a running executor with either arm; the robot process, if there is one."""
    robot = RobotProcess(own_address()) if request.param == "franky" else None
    process = ExecutorProcess(
        robot=request.param, robot_ip=robot.address if robot else "none", home_speed_factor=1.0
    )
    client = ExecutorClient()
    try:
        assert wait_until(lambda: client.state.state == "idle" or process.process.poll())
        yield client, robot
    finally:
        client.close()
        code, errors = process.end()
        if robot:
            robot.close()
    assert code == 0, errors
    assert "Traceback" not in errors


@pytest.fixture
def client(running):
    """The client, the arm at home and ready."""
    client, _ = running
    if client.state.state == "fault":
        client.call("recover")
    client.call("resume")
    answer = client.call("home")
    assert answer.success, answer.message
    client.wait_for_state("idle")
    client.events.clear()
    return client


def test_home_opens_the_gripper_and_reaches_the_home_pose(client):
    np.testing.assert_allclose(client.position_m, HOME_M, atol=0.003)
    assert client.grippers[-1].width > 0.07
    np.testing.assert_allclose(
        client.joints[-1].position[:7], load_cell().home_joints_rad, atol=0.01
    )


def test_all_topics_are_published_with_growing_stamps(client):
    topics = (client.states, client.joints, client.poses, client.grippers)
    for kept in topics[1:]:
        kept.clear()
    num_states = len(client.states)
    client.wait_robot_time(0.5)
    states = client.states[num_states:]
    for messages in (states, *(list(kept) for kept in topics[1:])):
        assert len(messages) >= 15
        stamps = [(m.header.stamp.sec, m.header.stamp.nanosec) for m in messages]
        assert stamps == sorted(set(stamps))
    times_s = [m.robot_time for m in states]
    assert 1.0 / np.median(np.diff(times_s)) == pytest.approx(50.0, rel=0.2)
    assert list(client.joints[-1].name) == JOINT_NAMES
    assert len(client.joints[-1].position) == len(client.joints[-1].velocity) == 9
    assert client.joints[-1].position[7] == pytest.approx(client.grippers[-1].width / 2, abs=1e-3)
    assert client.poses[-1].header.frame_id == "fr3_link0"
    assert client.states[-1].header.frame_id == "fr3_link0"


def test_actions_move_the_arm_by_their_sum(client):
    client.send([(0.018, 0.006, -0.012)] * 6)
    client.wait_for_state("hold")
    client.wait_robot_time(0.2)
    np.testing.assert_allclose(
        client.position_m, HOME_M + np.array([0.108, 0.036, -0.072]), atol=0.004
    )
    assert client.state.tracking_error < 0.003
    assert [event.name for event in client.events] == []


def test_the_gripper_follows_the_action_and_holds_nothing_in_air(client):
    client.send([(0, 0, 0)], closed=True)
    wait_until(lambda: client.grippers[-1].width < 0.005)
    assert client.grippers[-1].closed_command and not client.grippers[-1].holding
    client.send([(0, 0, 0)], closed=False)
    wait_until(lambda: client.grippers[-1].width > 0.07)


NAN = float("nan")
BAD_ACTIONS = {
    "not_finite": {"translation": [NAN, 0.0, 0.0]},
    "stale": {"age_s": 2.0},
    "future": {"age_s": -3.0},
    "action_spec": {"action_spec_id": "000000000000"},
    "bins": {"translation": [0.02, 0.0, 0.0]},
    "sequence": {"sequence": 0},
}


@pytest.mark.parametrize("name", BAD_ACTIONS)
def test_bad_input_is_a_clear_event_and_moves_nothing(client, name):
    client.send([(0, 0, 0)])
    rest_m = client.position_m
    client.events.clear()
    sequence = client.sequence
    client.act(**BAD_ACTIONS[name])
    client.sequence = max(sequence, client.sequence)
    event = wait_until(lambda: client.events and client.events[-1])
    assert (event.name, event.severity, event.source) == (name, event.REFUSED, "policy")
    assert len(event.detail) > 20
    client.wait_for_state("hold")
    assert name in client.state.detail
    client.wait_robot_time(0.3)
    np.testing.assert_allclose(client.position_m, rest_m, atol=0.001)


def test_the_workspace_ends_where_it_ends(client):
    client.send([(-0.03, 0.0, 0.0)] * 6)
    client.wait_for_state("hold")
    assert "workspace" in {event.name for event in client.events}
    low_m = load_cell().workspace_min_m[0] + WALL_ROOM_M
    assert client.state.target.position.x == pytest.approx(low_m, abs=1e-9)
    assert client.position_m[0] > low_m - 0.003


def test_stop_latches_and_resume_releases(client):
    client.send([(0.03, 0, 0)] * 3)
    assert client.call("stop").success
    client.wait_for_state("stopped")
    client.wait_robot_time(0.3)
    rest_m = client.position_m
    client.events.clear()
    client.send([(0.03, 0, 0)] * 2)
    wait_until(lambda: len(client.events) == 2)
    assert {event.name for event in client.events} == {"not_ready"}
    np.testing.assert_allclose(client.position_m, rest_m, atol=0.001)
    refused = client.call("home")
    assert not refused.success and "resume" in refused.message
    assert client.call("resume").success
    client.send([(0.012, 0, 0)] * 2)
    client.wait_for_state("hold")
    assert client.position_m[0] > rest_m[0] + 0.015


def test_the_stop_topic_alone_is_enough(client):
    publisher = client.node.create_publisher(Empty, STOP_TOPIC, STOP)
    wait_until(lambda: publisher.get_subscription_count() > 0)
    client.send([(0.03, 0, 0)] * 2)
    publisher.publish(Empty())
    client.wait_for_state("stopped")
    assert STOP_TOPIC in client.state.detail
    client.node.destroy_publisher(publisher)


def test_stop_interrupts_homing_and_the_others_stay_responsive(client):
    client.send([(0.03, 0.018, -0.018)] * 7)
    client.wait_for_state("hold")
    home = client.start_call("home")
    client.wait_for_state("homing")
    assert client.call("recover").success
    assert client.call("stop").success
    wait_until(home.done)
    assert not home.result().success
    assert "stop" in home.result().message
    client.wait_for_state("stopped")
    client.wait_robot_time(0.3)
    rest_m = client.position_m
    assert np.linalg.norm(rest_m - np.array(HOME_M)) > 0.02
    client.wait_robot_time(0.3)
    np.testing.assert_allclose(client.position_m, rest_m, atol=0.001)


def test_a_reflex_needs_recover_and_resume(client, running):
    _, robot = running
    if robot is None:
        pytest.skip("the arm in memory has nobody to collide with")
    client.send([(0.012, 0, 0)])
    robot.tell("reflex")
    client.wait_for_state("fault")
    event = wait_until(lambda: next((e for e in client.events if e.name == "fault"), None))
    assert event.severity == event.FAULT
    refused = client.call("resume")
    assert not refused.success and "recover" in refused.message
    assert client.call("recover").success
    client.wait_for_state("stopped")
    assert client.call("resume").success
    client.send([(0.012, 0, 0)] * 2)
    assert client.state.num_faults == 1


def test_diagnostics_tell_how_many_commands_reach_the_robot(client, running):
    client.send([(0.012, 0, 0)] * 3)
    client.wait_for_state("hold")

    def told():
        values = {v.key: v.value for m in client.diagnostics for v in m.status[0].values}
        return values["control success rate"] if values else ""

    if running[1] is None:
        client.diagnostics.clear()
        wait_until(lambda: client.diagnostics)
        assert told() == ""
    else:
        assert 0.0 < float(wait_until(told)) <= 1.0


def test_diagnostics_tell_the_state(client):
    client.diagnostics.clear()
    status = wait_until(lambda: client.diagnostics and client.diagnostics[-1].status[0])
    assert status.name == "executor: arm"
    assert status.message.startswith("idle")
    assert {value.key for value in status.values} >= {"robot", "faults", "control_cycles"}


def test_anyone_may_stop_it_from_a_terminal(client, monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    assert "stopped" in request_stop(30.0)
    client.wait_for_state("stopped")
    assert client.call("resume").success


def test_a_stop_that_nobody_hears_is_an_error(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN_ID + 1))
    with pytest.raises(StaleDataError, match="emergency stop"):
        request_stop(0.3)

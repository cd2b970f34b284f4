"""The executor node without a robot, with one that comes back, and with wrong parameters."""

import signal

import pytest
from executor_client import SPEC, ExecutorClient, ExecutorProcess
from own_address import own_address
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from robot_process import RobotProcess, wait_until

from spatialbot_ros.configuration import load_action_spec


@pytest.fixture
def lonely_client():
    client = ExecutorClient()
    yield client
    client.close()


def test_a_wrong_address_is_said_and_nothing_hangs(lonely_client):
    address = own_address()
    process = ExecutorProcess(robot_ip=address)
    try:
        state = lonely_client.wait_for_state("disconnected")
        wait_until(lambda: f"{address}:1337" in lonely_client.state.detail)
        assert "robot_ip" in lonely_client.state.detail
        assert lonely_client.joints == []
        assert state.robot_time == 0.0
        answer = lonely_client.call("home")
        assert not answer.success and address in answer.message
        assert lonely_client.call("stop").success
    finally:
        code, errors = process.end()
    assert code == 0
    assert address in errors and "Traceback" not in errors


def test_a_robot_that_comes_back_is_found_and_waits_for_resume(lonely_client):
    robot = RobotProcess(own_address())
    process = ExecutorProcess(robot_ip=robot.address)
    try:
        lonely_client.wait_for_state("idle")
        robot.close()
        lonely_client.wait_for_state("disconnected")
        robot = RobotProcess(robot.address)
        lonely_client.wait_for_state("stopped")
        assert "resume" in lonely_client.state.detail
        assert lonely_client.call("resume").success
        lonely_client.wait_for_state("idle")
    finally:
        code, errors = process.end(signal.SIGTERM)
        robot.close()
    assert code == 0 and "Traceback" not in errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"robot": "ur5"}, "choose one of: franky, memory"),
        ({"robot_ip": "172.16.0.2"}, "i_have_read_the_safety_notes:=true"),
        ({"robot": "memory", "cell_file": "/no/such/cell.yaml"}, "/no/such/cell.yaml"),
        ({"robot": "memory", "speed_factor": 7.0}, "speed_factor"),
    ],
)
def test_wrong_parameters_are_one_clear_line(parameters, message):
    process = ExecutorProcess(**parameters)
    process.process.wait(20)
    code, errors = process.end()
    assert code == 1
    assert message in errors and "Traceback" not in errors


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "at most 0.07 m/s, home at 6% "),
        ({"speed_factor": 0.5}, "at most 0.17 m/s, home at 15% "),
    ],
)
def test_a_real_robot_starts_slowly_without_the_launch_file_too(lonely_client, given, says):
    process = ExecutorProcess(
        robot_ip="no-such-robot.invalid", i_have_read_the_safety_notes=True, **given
    )
    try:
        lonely_client.wait_for_state("disconnected")
    finally:
        code, errors = process.end()
    assert code == 0 and says in errors


def test_no_parameter_can_be_changed_while_the_node_runs(lonely_client):
    process = ExecutorProcess(robot="memory", robot_ip="none")
    client = AsyncParameterClient(lonely_client.node, "executor")
    values = {"speed_factor": 1.0, "gap_periods": 50.0, "safety_file": "/loose.yaml"}
    changes = [Parameter(name, value=value) for name, value in values.items()]
    try:
        lonely_client.wait_for_state("idle")
        assert client.wait_for_services(10.0)
        future = client.set_parameters(changes)
        wait_until(future.done, 20.0)
        results = future.result().results
        assert [(r.successful, "read-only" in r.reason) for r in results] == [(False, True)] * 3
    finally:
        code, _ = process.end()
    assert code == 0


def test_the_action_spec_of_the_tests_is_the_shipped_one():
    assert load_action_spec() == SPEC

"""The teleop node in a real pseudo-terminal, over real DDS: a doubled executor, then a real one."""

import subprocess
import sys

import numpy as np
import pytest
import rclpy
from executor_client import SPEC, ExecutorClient, ExecutorProcess
from robot_process import wait_until
from sensor_msgs.msg import CameraInfo
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState, GripperState
from spatialbot_msgs.srv import StartEpisode, StopEpisode
from std_msgs.msg import Empty
from std_srvs.srv import Trigger
from teleop_terminal import TeleopTerminal

from spatialbot_model.contracts.episode import DEPTH_INFO_TOPIC
from spatialbot_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.stop import STOP_TOPIC


class Suite(ExecutorClient):
    """Test double of executor, camera and recorder around the teleop node."""

    def __init__(self):
        super().__init__()
        self.sent, self.called, self.starts, self.stops = [], [], [], []
        self.stop_requests = []
        self.gripper_closed = True
        self.frame_ns = 0
        node = self.node
        node.create_subscription(DeltaActionMsg, "/spatialbot/action", self.sent.append, 100)
        node.create_subscription(Empty, STOP_TOPIC, self.stop_requests.append, 10)
        for name in ("stop", "resume", "recover", "home"):
            node.create_service(Trigger, f"/spatialbot/{name}", self._answer_of(name))
        node.create_service(StartEpisode, "/spatialbot/episode/start", self._on_start)
        node.create_service(StopEpisode, "/spatialbot/episode/stop", self._on_stop)
        self._state = node.create_publisher(ExecutorState, "/spatialbot/executor_state", 10)
        self._gripper = node.create_publisher(GripperState, "/spatialbot/gripper", 10)
        self._info = node.create_publisher(CameraInfo, DEPTH_INFO_TOPIC, 10)
        node.create_timer(0.02, self._tick)

    def _tick(self):
        state = ExecutorState(state="idle", detail="[as set]")
        state.measured.position.x = 0.36
        self._state.publish(state)
        self._gripper.publish(GripperState(closed_command=self.gripper_closed))
        if self.frame_ns:
            info = CameraInfo()
            info.header.stamp = ns_to_stamp(self.frame_ns)
            self._info.publish(info)

    def _answer_of(self, name):
        def answer(_request, response):
            self.called.append(name)
            response.success, response.message = True, f"{name} was done"
            return response

        return answer

    def _on_start(self, request, response):
        self.starts.append(request)
        response.success, response.message, response.path = True, "recording", "/tmp/e1"
        return response

    def _on_stop(self, request, response):
        self.stops.append(request)
        response.success, response.message = True, "complete"
        return response


@pytest.fixture(scope="module")
def doubled():
    suite = Suite()
    terminal = TeleopTerminal(task="stack", instruction="'put it there'", speed_level=3)
    try:
        terminal.wait_for_screen("idle", "[as set]")
        yield suite, terminal
    finally:
        code, errors = terminal.end()
        suite.close()
    assert code == 0, errors
    assert "Traceback" not in errors


@pytest.fixture
def person(doubled):
    suite, terminal = doubled
    terminal.hold("")
    suite.frame_ns = 0
    wait_for_states(suite, 25)
    suite.sent.clear()
    suite.called.clear()
    terminal.output = b""
    return suite, terminal


def wait_for_states(suite, number):
    """Let time pass, fifty states a second."""
    states = len(suite.states)
    wait_until(lambda: len(suite.states) > states + number)


def quiet_after(suite):
    """Nothing more comes once the last key has run out."""
    wait_for_states(suite, 25)
    count = len(suite.sent)
    wait_for_states(suite, 25)
    assert len(suite.sent) == count


def test_a_held_key_becomes_actions_and_letting_go_ends_them(person):
    suite, terminal = person
    terminal.hold("a")
    wait_until(lambda: len(suite.sent) >= 5)
    terminal.hold("")
    terminal.wait_for_screen("HAND ON")
    first = suite.sent[0]
    assert first.source == "teleop" and first.action_spec_id == SPEC.id
    assert list(first.bins) == [50, 70, 50, 50, 50, 50, 100]
    assert first.translation[1] == pytest.approx(0.4 * SPEC.translation_limit_m)
    # what the gripper holds is not let go by taking over
    assert all(message.gripper_closed for message in suite.sent)
    assert first.header.frame_id == "fr3_link0"
    # without images the stamp is the time of the action
    assert first.observation_stamp == first.header.stamp
    sequences = [message.sequence for message in suite.sent]
    assert sequences == list(range(first.sequence, first.sequence + len(sequences)))
    quiet_after(suite)


def test_actions_carry_the_stamp_of_the_newest_image(person):
    suite, terminal = person
    suite.frame_ns = suite.node.get_clock().now().nanoseconds
    wait_until(lambda: suite._info.get_subscription_count() == 1)
    wait_for_states(suite, 5)
    terminal.press("w")
    wait_until(lambda: suite.sent)
    seen_ns = stamp_to_ns(suite.sent[0].observation_stamp)
    age_ns = stamp_to_ns(suite.sent[0].header.stamp) - suite.frame_ns
    assert seen_ns == suite.frame_ns or age_ns > 0.5e9


def test_the_gripper_key_toggles_what_the_executor_was_asked_for(person):
    suite, terminal = person
    terminal.press("g")
    wait_until(lambda: suite.sent)
    assert not suite.sent[0].gripper_closed
    assert list(suite.sent[0].bins[:6]) == [50] * 6


def test_space_stops_and_a_key_that_goes_on_repeating_moves_nothing(person):
    suite, terminal = person
    terminal.hold("w")
    wait_until(lambda: suite.sent)
    terminal.press(" ")
    wait_until(lambda: "stop" in suite.called and suite.stop_requests)
    quiet_after(suite)
    terminal.hold("")
    quiet_after(suite)
    suite.sent.clear()
    terminal.press("\r", "h", "c")
    wait_until(lambda: {"resume", "home", "recover"} <= set(suite.called))
    terminal.wait_for_screen("was done")
    terminal.press("w")
    wait_until(lambda: suite.sent)


def test_session_keys_drive_the_recorder(person):
    suite, terminal = person
    terminal.press("b")
    wait_until(lambda: len(suite.starts) == 1)
    request = suite.starts[0]
    assert (request.task, request.instruction, request.seed) == ("stack", "put it there", -1)
    terminal.wait_for_screen("RECORDING", "/tmp/e1")
    terminal.press("t")
    wait_until(lambda: len(suite.starts) == 2)
    assert suite.stops[0].discard
    wait_for_states(suite, 10)
    terminal.press("v")
    wait_until(lambda: len(suite.stops) == 2)
    assert (suite.stops[1].label, suite.stops[1].discard) == ("success", False)
    terminal.wait_for_screen("1 discarded, 1 success")


def test_a_person_overrides_a_policy_on_an_arm_and_lets_go():
    process = ExecutorProcess(robot="memory", robot_ip="none", teleop_hold_off_s=2.0)
    client = ExecutorClient()
    terminal = None
    try:
        client.wait_for_state("idle")
        terminal = TeleopTerminal(speed_level=4, key_window_s=0.5)
        terminal.wait_for_screen("x +0.360")
        client.act((0.006, 0, 0))
        terminal.hold("a")
        client.wait_for_state("teleop")
        assert client.state.detail.startswith("intervention")
        for _ in range(3):
            # acknowledged though refused: a policy that waits for it is not held up
            client.act((0.03, 0, 0))
        wait_until(lambda: client.position_m[1] > 0.08)
        terminal.hold("")
        client.wait_for_state("hold")
        wait_until(lambda: "intervention_end" in [e.name for e in client.events])
        names = [event.name for event in client.events]
        assert names.count("intervention_begin") == names.count("intervention_end") == 1
        assert names.count("overridden") == 3
        begin, end = names.index("intervention_begin"), names.index("intervention_end")
        assert all(begin < i < end for i, name in enumerate(names) if name == "overridden")
        assert client.events[begin].source == "teleop" and client.events[begin].severity == 0
        left_m = client.position_m
        assert left_m[0] < 0.36 + 0.03
        client.act((0.006, 0, 0))
        client.wait_for_state("hold")
        np.testing.assert_allclose(client.position_m - left_m, (0.006, 0, 0), atol=0.002)
    finally:
        ends = [terminal.end()] if terminal else []
        client.close()
        ends.append(process.end())
    for code, errors in ends:
        assert code == 0 and "Traceback" not in errors, errors


def test_without_simulated_time_nothing_moves_and_it_is_said():
    terminal = TeleopTerminal(use_sim_time="true")
    try:
        terminal.wait_for_screen("ROS time has not begun", "--hardware")
    finally:
        code, errors = terminal.end()
    assert code == 0 and "Traceback" not in errors


def test_the_terminal_is_given_back_as_it_was():
    terminal = TeleopTerminal()
    # whether the executor of the tests above is heard of first is anybody's guess
    terminal.wait_for_screen("SpatialBot teleoperation")
    assert terminal.modes != terminal.modes_before
    slave_modes = terminal.modes_before
    terminal.process.send_signal(2)
    terminal.process.wait(60)
    assert terminal.modes == slave_modes
    code, errors = terminal.end()
    assert code == 0 and errors == ""


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ((), "run `spatialbot teleop` in a terminal"),
        (("device:=joystick",), "choose one of: keyboard, gamepad, spacemouse"),
        (("speed_level:=9",), "speed_level"),
    ],
)
def test_what_cannot_work_is_one_clear_line(parameters, message):
    arguments = [item for text in parameters for item in ("-p", text)]
    ended = subprocess.run(
        [sys.executable, "-m", "spatialbot_ros.nodes.teleop", "--ros-args", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert message in ended.stderr and "Traceback" not in ended.stderr


def test_the_node_without_a_pad_says_so_and_goes_on():
    pytest.importorskip("evdev")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "spatialbot_ros.nodes.teleop", "--ros-args"),
            *("-p", "device:=gamepad", "-p", "device_path:=/no/such/pad"),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stderr.readline()
        assert "/no/such/pad" in line and "Nothing moves; looking for it again" in line
        assert process.poll() is None
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and "Traceback" not in errors


def test_rclpy_is_not_left_running():
    assert not rclpy.ok()

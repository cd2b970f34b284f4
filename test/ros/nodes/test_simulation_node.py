"""The simulation node as a process of its own, over DDS."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import rclpy
from own_address import own_address
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from spatialbot_msgs.msg import DeltaAction, TaskStatus
from spatialbot_msgs.srv import ResetSimulation

from spatialbot_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.simulation import SimulationNode
from spatialbot_sim.pacing import PolicyLagGate
from spatialbot_sim.tasks import sample_scene

DOMAIN_ID = os.environ.get("ROS_DOMAIN_ID", "33")
TIMEOUT_S = 60.0
NS_PER_TICK = 1_000_000


def start(**parameters: object) -> "subprocess.Popen[str]":
    arguments = [item for name, value in parameters.items() for item in ("-p", f"{name}:={value}")]
    return subprocess.Popen(
        [sys.executable, "-m", "spatialbot_ros.nodes.simulation", "--ros-args", *arguments],
        env={**os.environ, "ROS_DOMAIN_ID": DOMAIN_ID},
        stderr=subprocess.PIPE,
        text=True,
    )


class Listener:
    """Hears the clock and the judge, asks for resets, plays the policy."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(DOMAIN_ID))
        self.node = rclpy.create_node("simulation_listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.clocks_ns: list[int] = []
        self.statuses: list[TaskStatus] = []
        best_effort = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(
            Clock, "/clock", lambda m: self.clocks_ns.append(stamp_to_ns(m.clock)), best_effort
        )
        self.node.create_subscription(
            TaskStatus, "/simulation/task_status", self.statuses.append, 10
        )
        self.actions = self.node.create_publisher(DeltaAction, "/spatialbot/action", 10)
        self.resets = self.node.create_client(ResetSimulation, "/simulation/reset")

    def spin_until(self, condition: Callable[[], object]) -> None:
        ends_s = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < ends_s, f"not within {TIMEOUT_S} s"
            self.executor.spin_once(timeout_sec=0.1)

    def reset(self, task: str, seed: int) -> ResetSimulation.Response:
        assert self.resets.wait_for_service(TIMEOUT_S)
        future = self.resets.call_async(ResetSimulation.Request(task=task, seed=seed))
        self.spin_until(future.done)
        return future.result()

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.shutdown()


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """A listener and a running node; the node must end cleanly."""
    pytest.importorskip("mujoco", reason="the simulated lab needs the `sim` extra")
    process = start(address=own_address(), task="pick_place_color", seed=3, speed=4.0)
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_the_clock_runs_forward_in_steps_of_ten_milliseconds(listener: Listener) -> None:
    listener.clocks_ns.clear()
    listener.spin_until(lambda: len(listener.clocks_ns) >= 30)
    steps = {b - a for a, b in zip(listener.clocks_ns, listener.clocks_ns[1:], strict=False)}
    assert min(steps) == 10 * NS_PER_TICK
    assert all(step % (10 * NS_PER_TICK) == 0 for step in steps)


def test_the_judge_reports_the_scene(listener: Listener) -> None:
    scene = sample_scene("pick_place_color", 3)
    assert listener.reset("pick_place_color", 3).success
    listener.statuses.clear()
    listener.spin_until(lambda: len(listener.statuses) >= 2)
    status = listener.statuses[-1]
    assert (status.task, status.seed, status.instruction) == (scene.task, 3, scene.instruction)
    assert (status.target, status.destination) == (scene.target, scene.destination)
    assert not status.success and not status.grasped
    assert "still on the table" in status.reason
    item, board = scene.object_named(scene.target), scene.board_named(scene.destination)
    position = status.target_position
    assert (position.x, position.y) == pytest.approx((item.x_m, item.y_m), abs=1e-3)
    expected_m = ((item.x_m - board.x_m) ** 2 + (item.y_m - board.y_m) ** 2) ** 0.5
    assert status.placement_error == pytest.approx(expected_m, abs=2e-3)


def test_a_reset_lays_another_scene_while_time_goes_on(listener: Listener) -> None:
    listener.spin_until(lambda: listener.clocks_ns)
    before_ns = listener.clocks_ns[-1]
    listener.clocks_ns.clear()
    scene = sample_scene("pick_place_position", 11)
    answer = listener.reset("pick_place_position", 11)
    assert answer.success, answer.message
    assert (answer.instruction, answer.target, answer.destination) == (
        scene.instruction,
        scene.target,
        scene.destination,
    )
    listener.spin_until(lambda: len(listener.clocks_ns) >= 5)
    assert before_ns < listener.clocks_ns[0]
    assert listener.clocks_ns == sorted(listener.clocks_ns)
    listener.spin_until(lambda: listener.statuses[-1].instruction == scene.instruction)


def test_an_unknown_task_is_refused_in_words(listener: Listener) -> None:
    answer = listener.reset("juggle", 0)
    assert not answer.success
    assert "juggle" in answer.message and "pick_place_color" in answer.message


def test_time_goes_on_when_the_policy_falls_silent(listener: Listener) -> None:
    listener.spin_until(lambda: listener.actions.get_subscription_count() == 1)
    listener.clocks_ns.clear()
    listener.spin_until(lambda: listener.clocks_ns)
    stamp_ns = listener.clocks_ns[-1]
    listener.actions.publish(DeltaAction(observation_stamp=ns_to_stamp(stamp_ns)))
    # out of patience, time goes on far beyond what the observation allowed
    listener.spin_until(lambda: listener.clocks_ns[-1] > stamp_ns + 2_000 * NS_PER_TICK)


def test_time_waits_for_a_policy_but_not_for_a_person() -> None:
    gate = PolicyLagGate(max_lag_s=0.2)
    node = SimpleNamespace(_lab=SimpleNamespace(gate=gate))
    stamp_ns, far_ns = 10**9, 10 * 10**9
    for source in ("policy", "teleop", "policy"):
        message = DeltaAction(source=source, observation_stamp=ns_to_stamp(stamp_ns))
        SimulationNode._on_action(node, message)  # type: ignore[arg-type]
        assert gate.may_advance(far_ns, time.monotonic()) == (source == "teleop")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"task": "juggle"}, "pick_place_position"),
        ({"address": "8.8.8.8"}, "8.8.8.8 is no loopback address"),
        ({"cell_file": "/nowhere/cell.yaml"}, "/nowhere/cell.yaml"),
        ({"speed": "-1.0"}, "speed"),
    ],
)
def test_what_cannot_be_served_is_one_clear_line(
    parameters: dict[str, object], message: str
) -> None:
    process = start(**{"address": own_address(), **parameters})
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert message in errors
    assert "Traceback" not in errors


def test_a_second_simulator_is_kept_out() -> None:
    address = own_address()
    with socket.create_server((address, 1338)):
        process = start(address=address)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert f"{address}:1338 is taken" in errors
    assert "Traceback" not in errors

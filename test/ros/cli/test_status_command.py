"""`spatialbot status`: the screen, and the command against nodes that publish for real."""

import contextlib
import io
import json
import os
import subprocess
import sys
import threading

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rich.console import Console
from spatialbot_msgs.msg import ExecutorState, PolicyStep, SafetyEvent

from spatialbot_ros.cli.status_screen import render
from spatialbot_ros.nodes.diagnostics import diagnostics_msg, status_msg
from spatialbot_ros.suite_status import ArmStatus, EventStatus, StepStatus, SuiteStatus

TIMEOUT_S = 120.0


def screen(status: SuiteStatus, now_s: float, width: int = 110) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render(status.report(now_s)))
    return console.export_text()


def test_the_screen_holds_nodes_arm_policy_and_events() -> None:
    status = SuiteStatus()
    values = {"rate [Hz]": "15.00", "lost frames": "2", "firmware": "5.16"}
    status.on_part("camera: frames", 0, "streaming", values, 1.0)
    status.on_part(
        "camera: faults", 2, "camera_frozen: [red]stuck", {"faults": "1", "camera_frozen": "1"}, 1.0
    )
    arm = ArmStatus("hold", "no action", (0.4, -0.1, 0.25), 0.0012, 9.0, 0, 3, ("reflex",))
    status.on_arm(arm, 1.0)
    status.on_step(StepStatus("local", "take it", "<0.5>", "reach", True, {"policy": 41.0}), 1.0)
    status.on_event(EventStatus("camera_frozen", "refused", "camera", "colour and depth"), 1.0)
    text = screen(status, 2.0)
    for words in (
        "camera: frames", "ok", "streaming", "15.00", "lost frames 2",
        "error", "camera_frozen: [red]stuck", "recorder", "not heard",
        "hold", "no action", "tool [m]", "x +0.400", "1.2 mm", "reflex",
        "policy local", "take it", "100% executed", "median [ms]", "policy 41",
        "1 s ago", "refused", "camera: camera_frozen",
    ):  # fmt: skip
        assert words in text, words
    assert "firmware" not in text


@pytest.mark.parametrize("width", [60, 200])
def test_the_screen_fits_any_terminal(width: int) -> None:
    status = SuiteStatus()
    status.on_part("camera: frames", 1, "slow " * 30, {"rate [Hz]": "7"}, 0.0)
    assert max(map(len, screen(status, 0.0, width).splitlines())) <= width


class Suite:
    """Test double of running nodes: publishes what they would, ten times a second."""

    def __init__(self, level: bytes) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = node = rclpy.create_node("suite_double", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._publishers = {
            message_type: node.create_publisher(message_type, topic, 10)
            for message_type, topic in (
                (DiagnosticArray, "/diagnostics"),
                (ExecutorState, "/spatialbot/executor_state"),
                (PolicyStep, "/spatialbot/policy_step"),
                (SafetyEvent, "/spatialbot/safety_event"),
            )
        }
        self._level = level
        node.create_timer(0.1, self._publish)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _publish(self) -> None:
        status = status_msg("camera: frames", self._level, "streaming", {"rate [Hz]": "15.00"})
        for message in (
            diagnostics_msg(status, stamp_ns=1),
            ExecutorState(state="running", detail="follows actions"),
            PolicyStep(policy="classical", instruction="take it", sequence=4,
                       latency_names=["policy"], latencies=[12.5]),
            SafetyEvent(name="lead", severity=SafetyEvent.CLAMPED, source="policy"),
        ):  # fmt: skip
            self._publishers[type(message)].publish(message)

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            while self._context.ok():
                self._executor.spin_once(timeout_sec=0.2)

    def close(self) -> None:
        self._context.try_shutdown()
        self._thread.join()
        self._node.destroy_node()


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "spatialbot_ros.cli", "status", *arguments],
        env={**os.environ, "COLUMNS": "120", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


@pytest.mark.parametrize(("level", "code"), [(DiagnosticStatus.OK, 0), (DiagnosticStatus.ERROR, 1)])
def test_json_tells_what_the_nodes_tell_and_errors_are_an_exit_code(level, code) -> None:
    suite = Suite(level)
    try:
        done = run("--json", "--listen-s", "5")
    finally:
        suite.close()
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)
    assert told["nodes"]["camera: frames"]["values"] == {"rate [Hz]": "15.00"}
    assert told["arm"]["state"] == "running"
    assert told["policy"]["latencies_ms"] == {"policy": 12.5}
    assert told["events"][0]["severity"] == "clamped"
    assert "recorder" in told["missing"]


def test_no_suite_is_one_line_and_an_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    other = (int(os.environ.get("ROS_DOMAIN_ID", "0")) + 7) % 100
    monkeypatch.setenv("ROS_DOMAIN_ID", str(other))
    done = run("--once", "--listen-s", "0.2")
    assert done.returncode == 1
    assert "no node was heard" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr

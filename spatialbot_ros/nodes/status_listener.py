"""Listens to the running suite for `spatialbot status`; publishes nothing."""

import time
from types import TracebackType

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from spatialbot_msgs.msg import ExecutorState, PolicyStep, SafetyEvent

from spatialbot_ros.safety_records import Severity
from spatialbot_ros.suite_status import (
    ArmStatus,
    EventStatus,
    StepStatus,
    SuiteReport,
    SuiteStatus,
)

_QOS = QoSProfile(depth=100)


class StatusListener:
    """Context manager around one rclpy node, which is spun by `report`."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._status = SuiteStatus()

    def __enter__(self) -> "StatusListener":
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("status", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        for message_type, topic, callback in (
            (DiagnosticArray, "/diagnostics", self._on_diagnostics),
            (ExecutorState, "/spatialbot/executor_state", self._on_arm),
            (PolicyStep, "/spatialbot/policy_step", self._on_step),
            (SafetyEvent, "/spatialbot/safety_event", self._on_event),
        ):
            self._node.create_subscription(message_type, topic, callback, _QOS)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def report(self, listen_s: float) -> SuiteReport:
        """Listen for a while, then tell what is known."""
        end_s = time.monotonic() + listen_s
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=left_s)
        return self._status.report(time.monotonic())

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now_s = time.monotonic()
        for status in message.status:
            level = status.level
            self._status.on_part(
                status.name,
                level[0] if isinstance(level, bytes) else int(level),
                status.message,
                {pair.key: pair.value for pair in status.values},
                now_s,
            )

    def _on_arm(self, message: ExecutorState) -> None:
        p = message.measured.position
        arm = ArmStatus(
            state=message.state,
            detail=message.detail,
            position_m=(p.x, p.y, p.z),
            tracking_error_m=message.tracking_error,
            robot_time_s=message.robot_time,
            num_faults=int(message.num_faults),
            num_safety_events=int(message.num_safety_events),
            robot_errors=tuple(message.robot_errors),
        )
        self._status.on_arm(arm, time.monotonic())

    def _on_step(self, message: PolicyStep) -> None:
        step = StepStatus(
            policy=message.policy,
            instruction=message.instruction,
            text=message.text,
            stage=message.stage,
            acted=message.sequence > 0 or message.finished,
            latencies_ms=dict(
                zip(message.latency_names, map(float, message.latencies), strict=False)
            ),
        )
        self._status.on_step(step, time.monotonic())

    def _on_event(self, message: SafetyEvent) -> None:
        known = message.severity in tuple(Severity)
        event = EventStatus(
            name=message.name,
            severity=Severity(message.severity).name.lower() if known else "unknown",
            source=message.source,
            detail=message.detail,
        )
        self._status.on_event(event, time.monotonic())

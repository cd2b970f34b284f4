"""Where a policy's faults go: the log, `/spatialbot/safety_event` and `/diagnostics`."""

import time
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from spatialbot_msgs.msg import SafetyEvent

from spatialbot_ros.nodes.executor_messages import record_to_msg
from spatialbot_ros.nodes.qos import RECORDED
from spatialbot_ros.policy_watch import PolicyFault, PolicyWatch
from spatialbot_ros.safety_records import SafetyRecord, Severity

_PERIOD_S = 1.0
_RECENT_S = 5.0


class PolicyFaults:
    """Tells of every fault; counts are the watch's.

    Args:
        values: further values of the diagnostics, asked for once a period.
    """

    def __init__(
        self, node: Node, policy: str, watch: PolicyWatch, values: Callable[[], Mapping[str, str]]
    ) -> None:
        self._node = node
        self._policy = policy
        self._watch = watch
        self._values = values
        self._last: tuple[float, PolicyFault] | None = None
        self._events = node.create_publisher(SafetyEvent, "/spatialbot/safety_event", RECORDED)
        self._diagnostics = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.create_timer(
            _PERIOD_S,
            self._publish_diagnostics,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def tell(self, fault: PolicyFault) -> None:
        """The answer was not executed and the arm holds."""
        self._last = (time.monotonic(), fault)
        record = SafetyRecord(
            fault.name, Severity.REFUSED, fault.detail, asked=fault.asked, source="policy"
        )
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._events.publish(record_to_msg(record, now_ns))
        self._node.get_logger().warning(
            f"{fault.name}, the arm holds: {fault.detail}", throttle_duration_sec=1.0
        )

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(
            level=DiagnosticStatus.OK,
            name="vla: policy",
            hardware_id=self._policy,
            message="no fault of the policy lately",
        )
        if self._last is not None:
            since_s, fault = time.monotonic() - self._last[0], self._last[1]
            if since_s < _RECENT_S:
                status.level = DiagnosticStatus.WARN
                status.message = f"{fault.name}: {fault.detail}"
        values = {**self._values(), "policy faults": str(self._watch.num_faults)}
        values |= {name: str(count) for name, count in self._watch.counts.items() if count}
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._diagnostics.publish(message)

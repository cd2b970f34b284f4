"""Injects camera faults into a running simulation and notes what the nodes make of them."""

import threading
from types import TracebackType

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile
from spatialbot_msgs.msg import DeltaAction, ExecutorState, SafetyEvent
from std_msgs.msg import Header, String

from spatialbot_ros.camera_faults import CAMERA_GOOD
from spatialbot_ros.fault_trace import FaultTrace
from spatialbot_ros.nodes.conversions import stamp_to_ns

_QOS = QoSProfile(depth=200)
_S_PER_NS = 1e-9


class CameraFaultClient:
    """Context manager around one rclpy node that spins in a thread of its own.

    Attributes:
        state, state_s: the executor's newest state and when that was.
    """

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._lock = threading.Lock()
        self._trace: FaultTrace | None = None
        self.state = ""
        self.state_s = 0.0

    def __enter__(self) -> "CameraFaultClient":
        rclpy.init(args=[], context=self._context)
        self._node = node = rclpy.create_node("camera_fault_client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._inject = node.create_publisher(String, "/simulation/inject_camera_fault", _QOS)
        for message_type, topic, callback in (
            (Header, "/simulation/camera_fault", self._on_fault),
            (SafetyEvent, "/spatialbot/safety_event", self._on_event),
            (ExecutorState, "/spatialbot/executor_state", self._on_state),
            (DeltaAction, "/spatialbot/action", self._on_action),
        ):
            node.create_subscription(message_type, topic, callback, _QOS)
        self._thread = threading.Thread(target=self._spin, name="camera_fault_client")
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._context.try_shutdown()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def inject(self, name: str, duration_s: float) -> FaultTrace:
        """Begin a fault; what happens is noted in the trace until the next one."""
        trace = FaultTrace(name, duration_s)
        with self._lock:
            self._trace = trace
        self._inject.publish(String(data=f"{name} {duration_s}"))
        return trace

    def _on_fault(self, message: Header) -> None:
        with self._lock:
            trace = self._trace
            if trace is None:
                return
            stamp_s = stamp_to_ns(message.stamp) * _S_PER_NS
            if message.frame_id == trace.name:
                trace.onset_s = stamp_s
            elif not message.frame_id:
                trace.end_s = stamp_s

    def _on_event(self, message: SafetyEvent) -> None:
        with self._lock:
            trace = self._trace
            if trace is None or message.source != "camera":
                return
            stamp_s = stamp_to_ns(message.header.stamp) * _S_PER_NS
            if message.name == CAMERA_GOOD:
                trace.good_s = stamp_s
            elif trace.told_s is None:
                trace.told_s, trace.told_name = stamp_s, message.name

    def _on_state(self, message: ExecutorState) -> None:
        stamp_s = stamp_to_ns(message.header.stamp) * _S_PER_NS
        with self._lock:
            self.state, self.state_s = message.state, stamp_s
            if self._trace is not None:
                p = message.measured.position
                self._trace.poses.append((stamp_s, np.array([p.x, p.y, p.z])))

    def _on_action(self, message: DeltaAction) -> None:
        with self._lock:
            if self._trace is not None:
                self._trace.actions.append(
                    (
                        stamp_to_ns(message.header.stamp) * _S_PER_NS,
                        stamp_to_ns(message.observation_stamp) * _S_PER_NS,
                    )
                )

    def _spin(self) -> None:
        try:
            while self._context.ok():
                self._executor.spin_once(timeout_sec=0.5)
        except ExternalShutdownException:
            return

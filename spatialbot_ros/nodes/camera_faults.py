"""Where a camera's faults go: the log, `/spatialbot/safety_event` and `/diagnostics`."""

import threading
import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from spatialbot_msgs.msg import SafetyEvent

from spatialbot_ros.camera_faults import CAMERA_GOOD, CAMERA_LOST, CameraFault, CameraWatch
from spatialbot_ros.nodes.camera_diagnostics import faults_status
from spatialbot_ros.nodes.executor_messages import record_to_msg
from spatialbot_ros.nodes.qos import RECORDED
from spatialbot_ros.safety_records import SafetyRecord, Severity

_SOURCE = "camera"
_LOG_PERIOD_S = 1.0


class CameraFaultReporter:
    """Tells when a fault begins, when it turns into another one and when it ends.

    `tell` belongs to the thread that reads the camera; `status` may be called from any.
    """

    def __init__(self, node: Node, watch: CameraWatch) -> None:
        self._node = node
        self._watch = watch
        self._told: CameraFault | None = None
        self._since_s = 0.0
        self._lock = threading.Lock()
        self._status = faults_status(self._name, None, {}, 0)
        self._events = node.create_publisher(SafetyEvent, "/spatialbot/safety_event", RECORDED)

    def tell(self) -> bool:
        """Publish what has changed since the last call; returns whether anything has."""
        current, told = self._watch.current, self._told
        name, told_name = (None if f is None else f.name for f in (current, told))
        with self._lock:
            self._status = faults_status(
                self._name, current, self._watch.counts, self._watch.num_withheld
            )
        if name == told_name:
            return False
        now_s = time.monotonic()
        log = self._node.get_logger()
        if current is not None:
            if told is None:
                self._since_s = now_s
            # every attempt to find a lost camera has a line of its own
            if current.name != CAMERA_LOST:
                log.error(
                    f"{current.name}, no images until it is over: {current.detail}",
                    throttle_duration_sec=_LOG_PERIOD_S,
                )
            self._publish(
                SafetyRecord(
                    current.name,
                    Severity.REFUSED,
                    current.detail,
                    asked=current.asked,
                    source=_SOURCE,
                )
            )
        else:
            text = f"the stream is good again after {now_s - self._since_s:.2f} s of {told_name}"
            log.info(text, throttle_duration_sec=_LOG_PERIOD_S)
            self._publish(SafetyRecord(CAMERA_GOOD, Severity.NOTE, text, source=_SOURCE))
        self._told = current
        return True

    def status(self) -> DiagnosticStatus:
        """For /diagnostics."""
        with self._lock:
            return self._status

    @property
    def _name(self) -> str:
        return f"{self._node.get_name()}: faults"

    def _publish(self, record: SafetyRecord) -> None:
        now_ns = int(self._node.get_clock().now().nanoseconds)
        self._events.publish(record_to_msg(record, now_ns))

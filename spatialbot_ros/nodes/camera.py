"""Node `/camera/camera`: one camera, hardware or simulated, as realsense-ros shows it.

A grabbing thread owns the camera and publishes; the executor only serves diagnostics, so
that no callback ever waits for a device. What is wrong with the stream (`camera_faults`) is
told, and nobody gets its images: a policy holds until the stream is good again (docs/camera.md).
"""

import os
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraReopenError,
    CameraTimeoutError,
    HalfFramesetError,
)
from spatialbot_ros.camera_faults import CameraWatch
from spatialbot_ros.cameras.frame_statistics import FrameStatistics
from spatialbot_ros.cameras.grabber import FrameGrabber
from spatialbot_ros.cameras.registry import make_camera
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.camera_diagnostics import frames_status
from spatialbot_ros.nodes.camera_faults import CameraFaultReporter
from spatialbot_ros.nodes.camera_parameters import CameraParameters
from spatialbot_ros.nodes.camera_publishers import CameraPublishers
from spatialbot_ros.nodes.camera_transforms import base_transform, camera_transforms
from spatialbot_ros.nodes.diagnostics import diagnostics_msg
from spatialbot_ros.nodes.parameters import declare
from spatialbot_ros.nodes.realsense_messages import ExtrinsicsPublisher
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.nodes.static_transforms import StaticTransformPublisher
from spatialbot_ros.ports import CameraFrameset, CameraInfo

_HANG_S = 30.0
_LOST_LOG_S = 0.2


class CameraNode(Node):
    """The camera as ROS topics; listens to its own grabbing thread (`FrameListener`)."""

    def __init__(self) -> None:
        super().__init__("camera", namespace="/camera")
        self.parameters = declare(self, CameraParameters)
        self._cell = load_cell(self.parameters.cell_file)
        self._images = CameraPublishers(self, self.parameters)
        self._transforms = StaticTransformPublisher(self)
        self._extrinsics = ExtrinsicsPublisher(self)
        self._statistics = FrameStatistics()
        self._watch = CameraWatch(self.parameters.fault_limits())
        self._faults = CameraFaultReporter(self, self._watch)
        self._info: CameraInfo | None = None
        self._trouble = ""
        self._failure: Exception | None = None
        self._failed = self.create_guard_condition(self._raise_failure)
        timeout_s = self.parameters.wait_for_device_timeout
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._grabber = FrameGrabber(
            make_camera(self.parameters.camera, self.parameters.to_settings(self._now_ns)),
            self,
            max_retry_s=self.parameters.reconnect_timeout,
            give_up_after_s=timeout_s if timeout_s >= 0.0 else None,
        )
        if self.parameters.diagnostics_period > 0.0:
            # on the steady clock: diagnostics must also tell that /clock is missing
            self.create_timer(
                self.parameters.diagnostics_period,
                self._publish_diagnostics,
                clock=Clock(clock_type=ClockType.STEADY_TIME),
            )

    def start(self) -> None:
        """Look for the camera and stream, in a thread of its own."""
        if self.parameters.publish_base_tf:
            self._transforms.send([base_transform(self._cell, self._now_ns())])
        self._grabber.start()

    def close(self) -> None:
        """Stop streaming."""
        self._grabber.close()

    def on_connected(self, info: CameraInfo) -> None:
        """See `FrameListener`."""
        self._statistics.restart()
        self._info, self._trouble = info, ""
        self.get_logger().info(
            f"{info.name} {info.serial_no}: colour {info.color.width}x{info.color.height},"
            f" depth {info.depth.width}x{info.depth.height}, {info.rate_hz:g} Hz"
        )
        self._watch.connected(info, self._now_ns(), time.monotonic())
        self._tell()
        if self.parameters.publish_tf:
            self._transforms.send(camera_transforms(info.T_color_depth, self._now_ns()))
        self._extrinsics.send(info.T_color_depth)

    def wants_aligned_depth(self) -> bool:
        """See `FrameListener`."""
        return self._images.wants_aligned_depth()

    def on_frameset(self, frameset: CameraFrameset) -> None:
        """See `FrameListener`."""
        info = self._info
        if info is None:
            return
        start_s = time.monotonic()
        is_good = self._watch.frameset(frameset, self._now_ns(), start_s) is None
        if is_good:
            self._images.publish(frameset, info)
        self._statistics.add(
            frameset,
            processing_ms=1e3 * (time.monotonic() - start_s),
            age_ms=1e-6 * (self._now_ns() - frameset.stamp_ns),
        )
        self._tell()
        if not is_good:
            self._reopen_when_due()

    def on_nothing(self, error: CameraTimeoutError) -> None:
        """See `FrameListener`."""
        now_ns, now_s = self._now_ns(), time.monotonic()
        if isinstance(error, HalfFramesetError):
            self._watch.half(str(error), now_ns, now_s)
        else:
            self._watch.silent(now_ns, now_s)
        self._tell()
        self._reopen_when_due()

    def on_camera_lost(self, error: CameraError, retry_s: float) -> None:
        """See `FrameListener`."""
        self._info, self._trouble = None, str(error)
        reason = str(error).rstrip(".")
        self.get_logger().error(
            f"{reason}. Next attempt in {retry_s:g} s.",
            # ten attempts a second after a loss are not worth a line each
            throttle_duration_sec=_LOST_LOG_S,
        )
        if not isinstance(error, CameraReopenError):
            self._watch.lost(str(error), time.monotonic())
            self._tell()

    def on_failure(self, error: Exception) -> None:
        """See `FrameListener`."""
        if not self.context.ok():
            # publishing fails while the process is being ended; that is no failure
            return
        self._failure = error
        self._failed.trigger()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _tell(self) -> None:
        """Tell of a fault's beginning or end at once, not with the next diagnostics."""
        if self._faults.tell():
            self._publish(self._faults.status())

    def _reopen_when_due(self) -> None:
        current = self._watch.current
        if current is not None and self._watch.reopening_is_due(time.monotonic()):
            raise CameraReopenError(f"{current.name} lasts: {current.detail}; it is opened again")

    def _publish_diagnostics(self) -> None:
        frames = frames_status(
            f"{self.get_name()}: frames", self._statistics.report(), self._info, self._trouble
        )
        self._publish(frames, self._faults.status())
        if self._grabber.silent_s > _HANG_S:
            self.get_logger().fatal(
                f"the camera's driver has not come back for {self._grabber.silent_s:.0f} s; this"
                " process ends, so that it is started again"
            )
            # what hangs in a driver would hold up an orderly end as well
            os._exit(os.EX_SOFTWARE)

    def _publish(self, *statuses: DiagnosticStatus) -> None:
        self._diagnostics.publish(diagnostics_msg(*statuses, stamp_ns=self._now_ns()))

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def make_node() -> CameraNode:
    """The node with its thread running."""
    node = CameraNode()
    node.start()
    return node


def main() -> None:
    """Entry point of ``camera_node``."""
    sys.exit(run_node(make_node))


if __name__ == "__main__":
    main()

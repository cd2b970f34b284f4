"""The depth service: answers `/depth_query` from the stamped aligned depth images it holds.

A caller asks about the frame it saw by giving that frame's stamp; stamp 0 means the newest
one. Points answer as the depth tool does (`contracts.depth_tool`), regions as object depth
(`contracts.depth_stats`). What cannot be answered says why and changes nothing.
"""

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from spatialbot_msgs.srv import DepthQuery

from spatialbot_model.contracts.depth_stats import describe_region
from spatialbot_model.contracts.depth_tool import check_depth_image, lookup_depth
from spatialbot_model.contracts.errors import ConfigurationError, DepthQueryError
from spatialbot_ros.depth_ring import DepthRing
from spatialbot_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.images import msg_to_image
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.runtime import run_node

DEPTH_TOPIC = "/camera/camera/aligned_depth_to_color/image_raw"
SERVICE = "/depth_query"

_ENCODINGS = ("16UC1", "mono16")
_LOG_PERIOD_S = 5.0
_DIAGNOSTICS_PERIOD_S = 1.0


@dataclass(frozen=True, slots=True)
class DepthServiceParameters:
    """ROS parameters of the node."""

    history_length: int = parameter(
        60, "depth images held; at 15 Hz 60 are four seconds", low=1, high=1000
    )


class DepthServiceNode(Node):
    """Node `depth_service`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("depth_service")
        self._ring = DepthRing(declare(self, DepthServiceParameters).history_length)
        self._counts = {"images": 0, "ignored images": 0, "answers": 0, "refused questions": 0}
        self._trouble = ""
        self.create_subscription(Image, DEPTH_TOPIC, self._on_depth, qos_profile_sensor_data)
        self.create_service(DepthQuery, SERVICE, self._on_query)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # wall time: diagnostics matter most when the simulation, and with it ROS time, stands
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_DIAGNOSTICS_PERIOD_S, self._publish_diagnostics, clock=steady)

    def _on_depth(self, message: Image) -> None:
        try:
            if message.encoding not in _ENCODINGS:
                raise ConfigurationError(
                    f"expected encoding 16UC1 (millimetres), got {message.encoding!r}"
                )
            depth_mm = msg_to_image(message)
            check_depth_image(depth_mm)
        except (ConfigurationError, DepthQueryError) as error:
            self._counts["ignored images"] += 1
            self._trouble = f"ignoring {DEPTH_TOPIC}: {error}"
            self.get_logger().error(self._trouble, throttle_duration_sec=_LOG_PERIOD_S)
            return
        self._counts["images"] += 1
        self._trouble = ""
        self._ring.push(stamp_to_ns(message.header.stamp), depth_mm)

    def _on_query(
        self, request: DepthQuery.Request, response: DepthQuery.Response
    ) -> DepthQuery.Response:
        try:
            response = self._answer(request)
        except DepthQueryError as error:
            self._counts["refused questions"] += 1
            response.success = False
            response.message = f"{error} ({self._trouble})" if self._trouble else str(error)
            return response
        self._counts["answers"] += 1
        return response

    def _publish_diagnostics(self) -> None:
        status = DiagnosticStatus(name="depth_service: images", level=DiagnosticStatus.OK)
        status.message = "answering"
        if self._trouble or not len(self._ring):
            status.level = DiagnosticStatus.WARN
            status.message = self._trouble or f"no image on {DEPTH_TOPIC} yet"
        values: dict[str, int] = {"images held": len(self._ring), **self._counts}
        if len(self._ring):
            values["newest stamp [ns]"] = self._ring.find().stamp_ns
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _answer(self, request: DepthQuery.Request) -> DepthQuery.Response:
        if len(request.x) != len(request.y):
            raise DepthQueryError(
                f"got {len(request.x)} x and {len(request.y)} y; expected one of each per point"
            )
        if not request.x and not request.use_region:
            raise DepthQueryError("nothing was asked; give points in x and y, or set use_region")
        frame = self._ring.find(stamp_to_ns(request.stamp) or None)
        answers = [
            lookup_depth(frame.depth_mm, x, y) for x, y in zip(request.x, request.y, strict=True)
        ]
        response = DepthQuery.Response(success=True, stamp=ns_to_stamp(frame.stamp_ns))
        response.depth = [answer.depth_mm or 0 for answer in answers]
        response.valid = [answer.depth_mm is not None for answer in answers]
        if request.use_region:
            region = describe_region(
                frame.depth_mm, request.x_min, request.y_min, request.x_max, request.y_max
            )
            if region is not None:
                response.region_valid = True
                response.center = region.center_mm or 0
                response.min, response.max = region.min_mm, region.max_mm
                response.mean = region.mean_mm
        return response


def main() -> None:
    """Entry point of `depth_service_node`."""
    raise SystemExit(run_node(DepthServiceNode))


if __name__ == "__main__":
    main()

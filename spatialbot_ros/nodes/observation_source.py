"""What a policy sees: the newest colour-depth pair, its history, camera pose and robot state."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from rclpy.subscription import MessageInfo
from sensor_msgs.msg import CameraInfo, Image
from spatialbot_msgs.msg import ExecutorState, GripperState

from spatialbot_model.contracts.errors import CameraError, ConfigurationError, StaleDataError
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import (
    BASE_FRAME,
    CameraIntrinsics,
    Observation,
    RgbdFrame,
    RobotState,
)
from spatialbot_ros.camera_faults import CameraFaultLimits, depth_share
from spatialbot_ros.frame_pairs import FramePairs
from spatialbot_ros.nodes.conversions import msg_to_intrinsics, stamp_to_ns
from spatialbot_ros.nodes.images import msg_to_image
from spatialbot_ros.nodes.static_transforms import StaticTransformListener
from spatialbot_ros.robot_states import RobotStates

_COLOR = "/camera/camera/color"
_DEPTH = "/camera/camera/aligned_depth_to_color"
_POLL_S = 0.01
_CHECK_S = 0.1
_MIN_DEPTH_SHARE = CameraFaultLimits().min_depth_share
_MAX_ARRIVALS = 32


class ObservationSource:
    """Listens to camera and executor; hands out one observation per control step."""

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node = node
        self._timeout_s = timeout_s
        self._frames = FramePairs()
        self._history = FrameHistory()
        self._states = RobotStates()
        self._transforms = StaticTransformListener(node)
        self._optical_frame = ""
        self._last_stamp_ns = -1
        self._intrinsics: CameraIntrinsics | None = None
        self._arrivals: OrderedDict[int, tuple[float, float]] = OrderedDict()
        group = MutuallyExclusiveCallbackGroup()
        for topic, message_type, callback in (
            (f"{_COLOR}/image_raw", Image, self._on_color),
            (f"{_DEPTH}/image_raw", Image, self._on_depth),
            (f"{_COLOR}/camera_info", CameraInfo, self._on_camera_info),
        ):
            node.create_subscription(
                message_type, topic, callback, qos_profile_sensor_data, callback_group=group
            )
        # a group of its own: images take long to convert, and states must not queue behind them
        group = MutuallyExclusiveCallbackGroup()
        for topic, message_type, callback in (
            ("/spatialbot/executor_state", ExecutorState, self._states.add_executor),
            ("/spatialbot/gripper", GripperState, self._states.add_gripper),
        ):
            node.create_subscription(
                message_type, topic, callback, QoSProfile(depth=50), callback_group=group
            )

    def begin(self) -> None:
        """A new instruction: forget the history, use only frames from now on."""
        self._history.clear()
        self._last_stamp_ns = self._frames.newest_stamp_ns()
        self._intrinsics = None

    def next(self, instruction: str, check: Callable[[], None]) -> Observation:
        """Wait for a frame that is newer than the last one; meanwhile the policy says nothing.

        The robot's state is the one at the frame that has arrived by then; None without an
        executor that publishes it.

        Args:
            check: called while waiting; raises to give up.

        Raises:
            StaleDataError: no newer pair, or no pose of the camera; says what to look at.
            CameraError: the camera has another calibration than at the instruction's start.
        """
        frame = self._next_frame(check)
        if self._intrinsics is None:
            self._intrinsics = frame.intrinsics
        if frame.intrinsics != self._intrinsics:
            raise CameraError(
                f"the camera's calibration changed from {self._intrinsics} to {frame.intrinsics}"
                " during the instruction; check the camera's pose and start the instruction again"
            )
        self._history.push(frame)
        T_base_camera = self._camera_pose(check)
        robot = self._robot_state(frame.stamp_ns)
        return Observation(self._history.frames(), instruction, T_base_camera, robot)

    def latencies_ms(self) -> Mapping[str, float]:
        """Where the newest observation's frame spent its time before it got here [ms].

        ``capture``: ROS time from exposure to publication (sensor, USB, alignment);
        ``receive``: wall time of the slower of its two images on the wire.
        """
        age_ms, receive_ms = self._arrivals.get(self._last_stamp_ns, (0.0, 0.0))
        return {"capture": max(age_ms - receive_ms, 0.0), "receive": receive_ms}

    def _next_frame(self, check: Callable[[], None]) -> RgbdFrame:
        deadline_s = time.monotonic() + self._timeout_s
        refused = ""
        while True:
            remaining_s = deadline_s - time.monotonic()
            frame = self._frames.wait_newer(self._last_stamp_ns, min(remaining_s, _CHECK_S))
            check()
            if frame is not None:
                self._last_stamp_ns = frame.stamp_ns
                # the camera node withholds it; others do not
                if depth_share(frame.depth_mm) >= _MIN_DEPTH_SHARE:
                    return frame
                refused = " What came has no depth."
            if remaining_s <= 0.0:
                raise StaleDataError(
                    f"no newer colour and depth pair came within {self._timeout_s} s;"
                    " is the camera node running with align_depth.enable, and what does it say on"
                    f" /diagnostics?{refused}"
                )

    def _robot_state(self, frame_ns: int) -> RobotState | None:
        try:
            return self._states.at(frame_ns)
        except ConfigurationError as error:
            self._node.get_logger().warning(
                f"the executor publishes no usable state: {error}", throttle_duration_sec=5.0
            )
            return None

    def _camera_pose(self, check: Callable[[], None]) -> NDArray[np.float64]:
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            T_base_camera = self._transforms.lookup(BASE_FRAME, self._optical_frame)
            if T_base_camera is not None:
                return T_base_camera
            if time.monotonic() > deadline_s:
                raise StaleDataError(
                    f"no static transform from {BASE_FRAME} to {self._optical_frame}; publish the"
                    " calibrated camera pose (config/cell.yaml, camera node parameter"
                    " publish_base_tf)"
                )
            check()
            time.sleep(_POLL_S)

    def _on_color(self, message: Image, info: MessageInfo) -> None:
        with self._dropping(message):
            self._note_arrival(message, info)
            self._frames.add_color(stamp_to_ns(message.header.stamp), msg_to_image(message))
            self._optical_frame = message.header.frame_id

    def _on_depth(self, message: Image, info: MessageInfo) -> None:
        with self._dropping(message):
            self._note_arrival(message, info)
            self._frames.add_depth(stamp_to_ns(message.header.stamp), msg_to_image(message))

    def _on_camera_info(self, message: CameraInfo) -> None:
        with self._dropping(message):
            self._frames.set_intrinsics(msg_to_intrinsics(message))

    def _note_arrival(self, message: Image, info: MessageInfo) -> None:
        stamp_ns = stamp_to_ns(message.header.stamp)
        age_ms = (self._node.get_clock().now().nanoseconds - stamp_ns) * 1e-6
        receive_ms = (info["received_timestamp"] - info["source_timestamp"]) * 1e-6
        earlier = self._arrivals.pop(stamp_ns, (0.0, 0.0))
        self._arrivals[stamp_ns] = (max(age_ms, earlier[0]), max(receive_ms, earlier[1], 0.0))
        while len(self._arrivals) > _MAX_ARRIVALS:
            self._arrivals.popitem(last=False)

    @contextmanager
    def _dropping(self, message: Image | CameraInfo) -> Iterator[None]:
        """A malformed image is dropped with a warning; it must not end the node."""
        try:
            yield
        except ConfigurationError as error:
            self._node.get_logger().warning(
                f"dropped a message of {message.header.frame_id!r}: {error}",
                throttle_duration_sec=5.0,
            )

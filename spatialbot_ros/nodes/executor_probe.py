"""The far side of `spatialbot bench stop` over ROS: sends actions, asks for stops, hears states."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import StaleDataError
from spatialbot_ros.nodes.conversions import ns_to_stamp
from spatialbot_ros.nodes.qos import RECORDED, STOP
from spatialbot_ros.nodes.stop import STOP_TOPIC

_WAIT_S = 60.0


class ExecutorProbe:
    """Context manager with a ROS context of its own; waits are on robot time."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._changed = threading.Condition()
        self._state = ExecutorState()
        self._sequence = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "ExecutorProbe":
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = node = Node("executor_probe", context=self._context)
        node.create_subscription(
            ExecutorState, "/spatialbot/executor_state", self._on_state, QoSProfile(depth=10)
        )
        self._actions = node.create_publisher(DeltaActionMsg, "/spatialbot/action", RECORDED)
        self._stop = node.create_publisher(Empty, STOP_TOPIC, STOP)
        self._services = {
            name: node.create_client(Trigger, f"/spatialbot/{name}") for name in ("stop", "resume")
        }
        self._spinner = SingleThreadedExecutor(context=self._context)
        self._spinner.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="executor-probe", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        rclpy.shutdown(context=self._context)
        if self._thread is not None:
            self._thread.join(10.0)
        self._node.destroy_node()

    @property
    def target_m(self) -> NDArray[np.float64]:
        """(3,) where the executor takes the tool; measured while it holds nothing."""
        p = self._state.target.position
        return np.array([p.x, p.y, p.z])

    def wait_ready(self) -> None:
        """Until the executor follows actions and answers calls.

        Raises:
            StaleDataError: it does not.
        """
        self._wait(lambda: self._state.state in (ExecutorState.IDLE, ExecutorState.HOLD))
        for name, client in self._services.items():
            if not client.wait_for_service(_WAIT_S):
                raise StaleDataError(f"/spatialbot/{name} does not answer")
        self._wait(lambda: self._actions.get_subscription_count() > 0)

    def act(self, action: DeltaAction) -> None:
        """Publish an action about an image of now."""
        self._sequence += 1
        now_ns = int(self._node.get_clock().now().nanoseconds)
        message = DeltaActionMsg(
            observation_stamp=ns_to_stamp(now_ns),
            sequence=self._sequence,
            source="policy",
            action_spec_id=action.spec.id,
            bins=list(action.bins),
            translation=action.translation_m,
            rotation=action.rotation_rad,
            gripper_closed=action.gripper_closed,
        )
        message.header.stamp = ns_to_stamp(now_ns)
        self._actions.publish(message)

    def pass_time(self, duration_s: float) -> None:
        """Wait for robot time.

        Raises:
            StaleDataError: it does not go on.
        """
        ends_s = self._state.robot_time + duration_s
        self._wait(lambda: self._state.robot_time >= ends_s)

    def ask_to_stop(self, on_topic: bool) -> float:
        """Ask, and wait until the stop is latched; returns when it was asked, monotonic [s]."""
        asked_s = time.monotonic()
        if on_topic:
            self._stop.publish(Empty())
        else:
            self._services["stop"].call_async(Trigger.Request())
        self._wait(lambda: self._state.state == ExecutorState.STOPPED)
        return asked_s

    def resume(self) -> None:
        """Release the stop."""
        self._services["resume"].call_async(Trigger.Request())
        self._wait(lambda: self._state.state != ExecutorState.STOPPED)

    def _on_state(self, message: ExecutorState) -> None:
        with self._changed:
            self._state = message
            self._changed.notify_all()

    def _spin(self) -> None:
        try:
            self._spinner.spin()
        except ExternalShutdownException:
            return

    def _wait(self, condition: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + _WAIT_S
        with self._changed:
            while not condition():
                if time.monotonic() > ends_s:
                    raise StaleDataError(
                        f"the executor does not go on ({self._state.state}: {self._state.detail})"
                    )
                self._changed.wait(0.1)

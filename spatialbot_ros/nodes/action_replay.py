"""Sends recorded actions to the executor, one per control step, and watches the arm."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.episode import EE_POSE_TOPIC
from spatialbot_model.contracts.errors import StaleDataError
from spatialbot_ros.nodes.executor_link import ExecutorLink

_POLL_S = 0.004
_TIMEOUT_S = 10.0
_SETTLE_S = 1.0


class ActionReplay:
    """Context manager around one rclpy node on simulation time that spins in its own thread."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._context = rclpy.Context()
        self._tcp_m: NDArray[np.float64] | None = None

    def __enter__(self) -> "ActionReplay":
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node(
            "action_replay",
            context=self._context,
            parameter_overrides=[Parameter("use_sim_time", value=True)],
        )
        self._link = ExecutorLink(self._node, _TIMEOUT_S)
        self._node.create_subscription(
            PoseStamped, EE_POSE_TOPIC, self._on_pose, QoSProfile(depth=10)
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="action_replay")
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

    def run(self, actions: Sequence[DeltaAction], rate_hz: float) -> NDArray[np.float64]:
        """Execute the actions from where the arm is.

        Returns:
            (N + 1, 3) tool centre point [m] when each was sent, and a second after the last.

        Raises:
            RobotError: the executor cannot move; says why.
            StaleDataError: it, the clock or the arm's pose does not answer.
        """
        self._link.begin(self._check)
        period_ns = round(1e9 / rate_hz)
        path = []
        next_ns = self._now_ns()
        for action in actions:
            self._wait_until(next_ns)
            self._link.wait_taken(self._check)
            path.append(self._pose())
            self._link.send(action, self._now_ns())
            next_ns += period_ns
        self._link.wait_taken(self._check)
        self._wait_until(next_ns + round(_SETTLE_S * 1e9))
        return np.array([*path, self._pose()])

    def _pose(self) -> NDArray[np.float64]:
        deadline_s = time.monotonic() + _TIMEOUT_S
        while self._tcp_m is None:
            self._check()
            if time.monotonic() > deadline_s:
                raise StaleDataError(f"no message on {EE_POSE_TOPIC}; is the executor running?")
            time.sleep(_POLL_S)
        return self._tcp_m

    def _wait_until(self, time_ns: int) -> None:
        deadline_s = time.monotonic() + _TIMEOUT_S
        while self._now_ns() < time_ns:
            self._check()
            if time.monotonic() > deadline_s:
                raise StaleDataError("/clock stands still; is the simulation running?")
            time.sleep(_POLL_S)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _on_pose(self, message: PoseStamped) -> None:
        p = message.pose.position
        self._tcp_m = np.array([p.x, p.y, p.z])

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

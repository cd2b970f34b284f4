"""A client of the running suite: lay a scene, record, execute an instruction, judge.

Used by the demo and by tests; every wait has a time-out and says what it waited for.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile
from spatialbot_msgs.action import ExecuteInstruction
from spatialbot_msgs.msg import ExecutorState, TaskStatus
from spatialbot_msgs.srv import ResetSimulation, StartEpisode, StopEpisode
from std_srvs.srv import Trigger

from spatialbot_model.contracts.errors import SpatialBotError, StaleDataError
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.handshake import Handshake

_POLL_S = 0.02
_CLOCK_TOLERANCE_NS = 300_000_000


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How an instruction ended."""

    finished: bool
    reason: str
    num_steps: int
    duration_s: float


class LabClient:
    """Context manager around one rclpy node that spins in a thread of its own."""

    def __init__(self, check: Callable[[], None] = lambda: None) -> None:
        self._check = check
        self._context = rclpy.Context()

    def __enter__(self) -> "LabClient":
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("lab_client", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._reset = self._node.create_client(ResetSimulation, "/simulation/reset")
        self._home = self._node.create_client(Trigger, "/spatialbot/home")
        self._start = self._node.create_client(StartEpisode, "/spatialbot/episode/start")
        self._stop = self._node.create_client(StopEpisode, "/spatialbot/episode/stop")
        self._execute = ActionClient(self._node, ExecuteInstruction, "/spatialbot/execute")
        self._handshakes = {
            part: Handshake(self._node, name)
            for part, name in (
                ("simulation", "simulation"),
                ("executor", "executor"),
                ("policy", "vla"),
                ("recorder", "recorder"),
            )
        }
        self.task_status: TaskStatus | None = None
        self.executor_state: ExecutorState | None = None
        self._node.create_subscription(
            TaskStatus, "/simulation/task_status", self._on_task_status, QoSProfile(depth=10)
        )
        self._node.create_subscription(
            ExecutorState, "/spatialbot/executor_state", self._on_executor_state, 10
        )
        self._thread = threading.Thread(target=self._spin, name="lab_client")
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

    def wait_ready(
        self, timeout_s: float, recorder: bool, on_progress: Callable[[str], None] = lambda _: None
    ) -> None:
        """Until every part of the suite answers, and knows this client.

        Raises:
            StaleDataError: names the parts that do not.
        """
        parts: dict[str, Callable[[], bool]] = {
            "simulation": self._reset.service_is_ready,
            "executor": lambda: (
                self._home.service_is_ready()
                and self.executor_state is not None
                and self.executor_state.state != ExecutorState.DISCONNECTED
            ),
            # a node that has not heard /clock yet takes every stamp for one from the future
            "clock": self._clocks_agree,
            "policy": self._execute.server_is_ready,
        }
        if recorder:
            parts["recorder"] = lambda: (
                self._start.service_is_ready() and self._stop.service_is_ready()
            )
        for handshake in self._handshakes.values():
            handshake.restart()
        deadline_s = time.monotonic() + timeout_s
        while parts:
            for name in [name for name in parts if parts[name]() and self._knows_us(name)]:
                del parts[name]
                on_progress(name)
            if parts and time.monotonic() > deadline_s:
                raise StaleDataError(
                    f"not ready after {timeout_s:.0f} s: {', '.join(parts)}; see the stack's log"
                )
            self._check()
            time.sleep(_POLL_S)

    def _knows_us(self, part: str) -> bool:
        return part not in self._handshakes or self._handshakes[part].is_done()

    def _clocks_agree(self) -> bool:
        if self.task_status is None or self.executor_state is None:
            return False
        stamps = (self.task_status.header.stamp, self.executor_state.header.stamp)
        ahead_ns = stamp_to_ns(stamps[0]) - stamp_to_ns(stamps[1])
        return abs(ahead_ns) < _CLOCK_TOLERANCE_NS

    def reset(self, task: str, seed: int, timeout_s: float = 60.0) -> ResetSimulation.Response:
        """Lay a scene; the response carries its instruction."""
        return self._call(
            self._reset, ResetSimulation.Request(task=task, seed=seed), "reset", timeout_s
        )

    def home(self, timeout_s: float = 120.0) -> None:
        """Move the arm home."""
        self._call(self._home, Trigger.Request(), "home", timeout_s)

    def start_episode(self, task: str, instruction: str, seed: int) -> str:
        """Begin recording; returns the folder."""
        request = StartEpisode.Request(task=task, instruction=instruction, seed=seed)
        return str(self._call(self._start, request, "episode start", 30.0).path)

    def stop_episode(self, label: str, reason: str) -> StopEpisode.Response:
        """End recording."""
        request = StopEpisode.Request(label=label, reason=reason)
        return self._call(self._stop, request, "episode stop", 120.0)

    def execute(
        self,
        instruction: str,
        timeout_s: float,
        on_feedback: Callable[[ExecuteInstruction.Feedback], None] = lambda _: None,
        max_steps: int = 0,
    ) -> ExecutionResult:
        """Run an instruction to its end; cancels it when `timeout_s` of wall time is over.

        `max_steps` 0 leaves the limit to the VLA node.
        """
        goal = ExecuteInstruction.Goal(instruction=instruction, max_steps=max_steps)
        sent = self._execute.send_goal_async(
            goal, feedback_callback=lambda message: on_feedback(message.feedback)
        )
        handle = self._wait(sent, "the policy node to accept the instruction", 30.0)
        try:
            answer = self._wait(handle.get_result_async(), "the instruction to end", timeout_s)
        except BaseException:
            handle.cancel_goal_async()
            raise
        result = answer.result
        return ExecutionResult(
            finished=answer.status == GoalStatus.STATUS_SUCCEEDED and result.finished,
            reason=result.reason,
            num_steps=result.num_steps,
            duration_s=result.duration,
        )

    def wait_task_status(
        self, is_wanted: Callable[[TaskStatus], bool], timeout_s: float
    ) -> TaskStatus:
        """The next status that fits, or the newest one when none fits in time.

        Raises:
            StaleDataError: no status came at all.
        """
        self.task_status = None
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            self._check()
            status = self.task_status
            if status is not None and is_wanted(status):
                return status
            time.sleep(_POLL_S)
        if self.task_status is None:
            raise StaleDataError(f"no /simulation/task_status within {timeout_s:.0f} s")
        return self.task_status

    def _call(self, client: Any, request: Any, what: str, timeout_s: float) -> Any:
        response = self._wait(client.call_async(request), f"an answer to {what}", timeout_s)
        if not response.success:
            raise SpatialBotError(f"{what} was refused: {response.message}")
        return response

    def _wait(self, future: Any, what: str, timeout_s: float) -> Any:
        deadline_s = time.monotonic() + timeout_s
        while not future.done():
            self._check()
            if time.monotonic() > deadline_s:
                raise StaleDataError(f"waited {timeout_s:.0f} s for {what}")
            time.sleep(_POLL_S)
        return future.result()

    def _on_task_status(self, message: TaskStatus) -> None:
        self.task_status = message

    def _on_executor_state(self, message: ExecutorState) -> None:
        self.executor_state = message

    def _spin(self) -> None:
        try:
            while self._context.ok():
                self._executor.spin_once(timeout_sec=0.5)
        except ExternalShutdownException:
            return

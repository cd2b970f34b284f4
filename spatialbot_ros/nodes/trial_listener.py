"""Listens to one trial: path and hand, actions and answers, and what the judge says meanwhile."""

import threading
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile
from spatialbot_msgs.msg import DeltaAction, ExecutorState, GripperState, PolicyStep, TaskStatus

from spatialbot_model.contracts.errors import StaleDataError
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.qos import RECORDED


@dataclass(frozen=True, slots=True)
class HandSample:
    """The gripper at one time; as `GripperState.msg`."""

    stamp_ns: int
    closed: bool
    holding: bool


@dataclass(frozen=True, slots=True)
class JudgeSample:
    """What the judge said at one time; as `TaskStatus.msg`."""

    stamp_ns: int
    success: bool
    reason: str
    target_m: NDArray[np.float64]
    placement_error_m: float
    grasped: bool


@dataclass(slots=True)
class TrialTrace:
    """What was heard of one trial, each list in the order of time.

    Attributes:
        path: (stamp, (3,) measured tool centre point in the base frame).
        action_ns: when actions were emitted.
        num_malformed, num_unanswered: answers that were no action, and steps without one in time.
        policy_ms: wall time of each answer.
    """

    path: list[tuple[int, NDArray[np.float64]]] = field(default_factory=list)
    hand: list[HandSample] = field(default_factory=list)
    judged: list[JudgeSample] = field(default_factory=list)
    action_ns: list[int] = field(default_factory=list)
    num_malformed: int = 0
    num_unanswered: int = 0
    policy_ms: list[float] = field(default_factory=list)


class TrialListener:
    """Context manager around one rclpy node that spins in a thread of its own."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        self._changed = threading.Condition()
        self._trace = TrialTrace()
        self._scene = ("", -1)

    def __enter__(self) -> "TrialListener":
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node("trial_listener", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        states = QoSProfile(depth=100)
        subscribe = self._node.create_subscription
        subscribe(ExecutorState, "/spatialbot/executor_state", self._on_state, states)
        subscribe(GripperState, "/spatialbot/gripper", self._on_hand, states)
        subscribe(TaskStatus, "/simulation/task_status", self._on_judge, states)
        subscribe(DeltaAction, "/spatialbot/action", self._on_action, RECORDED)
        subscribe(PolicyStep, "/spatialbot/policy_step", self._on_policy_step, RECORDED)
        self._thread = threading.Thread(target=self._spin, name="trial_listener")
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

    def begin(self, task: str, seed: int) -> None:
        """Forget what was heard so far; what the judge says of other scenes is left out."""
        with self._changed:
            self._trace = TrialTrace()
            self._scene = (task, seed)

    def end(self, judged_ns: int, timeout_s: float) -> TrialTrace:
        """What was heard since `begin`, up to what the judge said at a time at least.

        Raises:
            StaleDataError: it was not heard in time.
        """
        with self._changed:
            heard = self._changed.wait_for(
                lambda: bool(self._trace.judged) and self._trace.judged[-1].stamp_ns >= judged_ns,
                timeout_s,
            )
            if not heard:
                raise StaleDataError(
                    f"the judge's word of {judged_ns} ns was not heard within {timeout_s:.0f} s"
                )
            trace, self._trace = self._trace, TrialTrace()
        return trace

    def _on_state(self, message: ExecutorState) -> None:
        p = message.measured.position
        with self._changed:
            self._trace.path.append((stamp_to_ns(message.header.stamp), np.array([p.x, p.y, p.z])))

    def _on_hand(self, message: GripperState) -> None:
        sample = HandSample(
            stamp_to_ns(message.header.stamp), bool(message.closed_command), bool(message.holding)
        )
        with self._changed:
            self._trace.hand.append(sample)

    def _on_judge(self, message: TaskStatus) -> None:
        p = message.target_position
        sample = JudgeSample(
            stamp_ns=stamp_to_ns(message.header.stamp),
            success=bool(message.success),
            reason=str(message.reason),
            target_m=np.array([p.x, p.y, p.z]),
            placement_error_m=float(message.placement_error),
            grasped=bool(message.grasped),
        )
        with self._changed:
            if (message.task, message.seed) == self._scene:
                self._trace.judged.append(sample)
                self._changed.notify_all()

    def _on_action(self, message: DeltaAction) -> None:
        with self._changed:
            self._trace.action_ns.append(stamp_to_ns(message.header.stamp))

    def _on_policy_step(self, message: PolicyStep) -> None:
        latencies = dict(zip(message.latency_names, message.latencies, strict=True))
        with self._changed:
            if "policy" in latencies:
                self._trace.policy_ms.append(float(latencies["policy"]))
            if message.sequence or message.finished:
                return
            if message.text and not message.stage.startswith("late"):
                self._trace.num_malformed += 1
            else:
                self._trace.num_unanswered += 1

    def _spin(self) -> None:
        try:
            while self._context.ok():
                self._executor.spin_once(timeout_sec=0.5)
        except ExternalShutdownException:
            return

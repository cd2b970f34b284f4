"""The VLA node: an instruction comes in, one delta action per control step goes out.

`/spatialbot/execute` runs the policy at the action spec's rate of ROS time (the robot's time
in simulation), always on the newest synchronised colour-depth pair. Every answer, a model's or
the classical policy's, passes the same parser and the same watch; what does not moves nothing,
and is named on `/spatialbot/safety_event`. The loop runs in the goal's own thread and the policy
in another, so that one that hangs holds up neither a callback nor the node's end; it waits for
the executor to have taken one action before it emits the next. While a person has the arm the
policy is not asked; its history goes on, and so does the instruction when the person has let go.
"""

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import rclpy
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from spatialbot_msgs.action import ExecuteInstruction
from spatialbot_msgs.msg import PolicyStep as PolicyStepMsg
from std_msgs.msg import String

from spatialbot_model.contracts.action_codec import DeltaAction, Finished, parse_action_text
from spatialbot_model.contracts.errors import (
    ActionParseError,
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
    SpatialBotError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.registry import make_policy
from spatialbot_model.policies.supervised import SupervisedPolicy
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.nodes.executor_link import ExecutorLink
from spatialbot_ros.nodes.observation_source import ObservationSource
from spatialbot_ros.nodes.parameters import declare
from spatialbot_ros.nodes.policy_faults import PolicyFaults
from spatialbot_ros.nodes.policy_steps import policy_step_to_msg
from spatialbot_ros.nodes.qos import LATCHED, RECORDED
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.nodes.vla_parameters import VlaParameters
from spatialbot_ros.policy_endurance import Endurance
from spatialbot_ros.policy_watch import (
    POLICY_DEFECT,
    POLICY_SILENT,
    POLICY_SLOW,
    POLICY_UNREACHABLE,
    PolicyFault,
    PolicyWatch,
)

_POLL_S = 0.004
_CLOSE_TIMEOUT_S = 10.0

Latencies = dict[str, float]


class GoalEndedError(SpatialBotError):
    """Ends the running instruction; the message becomes the result's reason."""


class VlaNode(Node):
    """Node `vla`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("vla")
        p = self._settings = declare(self, VlaParameters)
        self._spec = load_action_spec(p.action_spec_file)
        self._policy = SupervisedPolicy(
            partial(make_policy, p.policy, p.policy_config(self._spec)), p.patience()
        )
        self._policy.open()
        self._watch = PolicyWatch(p.watch_limits())
        self._endurance = Endurance(p.max_malformed_answers, p.policy_outage_s)
        self._faults = PolicyFaults(self, p.policy, self._watch, self._describe)
        self._counts = {"instructions": 0, "finished": 0, "actions": 0}
        self._answer_lost = False
        self._observations = ObservationSource(self, p.camera_timeout_s)
        self._executor_link = ExecutorLink(self, p.executor_timeout_s)
        self._steps = self.create_publisher(PolicyStepMsg, "/spatialbot/policy_step", RECORDED)
        self._instructions = self.create_publisher(String, "/spatialbot/instruction", LATCHED)
        self._goal_lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ActionServer(
            self,
            ExecuteInstruction,
            "/spatialbot/execute",
            self._execute,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )
        self.get_logger().info(f"policy {p.policy!r} is ready, action spec {self._spec.id}")

    def close(self) -> None:
        """End the running instruction and release the policy, also when that one hangs."""
        self._closing.set()
        ended = self._goal_lock.acquire(timeout=_CLOSE_TIMEOUT_S)
        try:
            self._policy.close()
        finally:
            if ended:
                self._goal_lock.release()

    def destroy_node(self) -> None:
        """End the action server too, which only works when nothing spins any more."""
        self._server.destroy()
        super().destroy_node()

    def _execute(self, goal: ServerGoalHandle) -> ExecuteInstruction.Result:
        result = ExecuteInstruction.Result()
        if not self._goal_lock.acquire(blocking=False):
            result.reason = "another instruction is running; cancel it first"
            goal.abort()
            return result
        started_ns = self._now_ns()
        self._counts["instructions"] += 1
        try:
            self._run(goal, result)
            goal.succeed()
            self._counts["finished"] += 1
        except SpatialBotError as error:
            own = isinstance(error, GoalEndedError)
            result.reason = str(error) if own else f"{type(error).__name__}: {error}"
            if goal.is_cancel_requested:
                goal.canceled()
            else:
                goal.abort()
        finally:
            self._goal_lock.release()
        result.duration = (self._now_ns() - started_ns) * 1e-9
        self.get_logger().info(f"instruction ended after {result.num_steps} steps: {result.reason}")
        return result

    def _run(self, goal: ServerGoalHandle, result: ExecuteInstruction.Result) -> None:
        """The control loop; raises to end the goal without success."""

        def check() -> None:
            if goal.is_cancel_requested:
                raise GoalEndedError("cancelled")
            if self._closing.is_set() or not rclpy.ok():
                raise GoalEndedError("the node is shutting down")

        instruction = goal.request.instruction
        max_steps = goal.request.max_steps or self._settings.max_steps
        self._policy.start(instruction, check)
        if self._settings.home_first:
            self._executor_link.go_home(check)
        self._executor_link.begin(check)
        self._observations.begin()
        self._watch.begin()
        self._answer_lost = False
        self._instructions.publish(String(data=instruction))
        period_ns = round(1e9 / self._spec.rate_hz)
        next_ns = self._now_ns()
        self._endurance.begin(time.monotonic())
        for step in range(1, max_steps + 1):
            while self._now_ns() < next_ns:
                check()
                self._closing.wait(_POLL_S)
            self._executor_link.wait_taken(check)
            if self._executor_link.overridden:
                self._wait_for_person(instruction, check)
                # a stop ends an intervention as well
                self._executor_link.wait_taken(check)
                next_ns = self._now_ns()
            observation = self._observations.next(instruction, check)
            answer, fault, latencies_ms = self._ask_policy(observation, check)
            # steps keep to the schedule; a late one moves it, nothing is made up for in a burst
            next_ns = max(next_ns + period_ns, self._now_ns() + period_ns // 2)
            action: DeltaAction | Finished | None = None
            if answer is not None:
                result.num_depth_queries += len(answer.depth_answers)
                action, fault = self._read(answer, observation)
            if action is None or answer is None:
                assert fault is not None
                self._hold(fault, observation, answer, latencies_ms)
                continue
            self._endurance.begin(time.monotonic())
            finished = isinstance(action, Finished)
            sequence = 0
            if isinstance(action, DeltaAction):
                sequence = self._executor_link.send(action, answer.observation_stamp_ns)
                self._watch.executed(answer.observation_stamp_ns)
                self._counts["actions"] += 1
            self._publish_step(observation, answer, latencies_ms, finished, sequence)
            goal.publish_feedback(
                ExecuteInstruction.Feedback(
                    step=step,
                    text=answer.text,
                    stage=answer.stage,
                    latency=latencies_ms["policy"],
                )
            )
            if finished:
                result.finished = True
                result.reason = "finished"
                return
            result.num_steps += 1
        raise GoalEndedError(f"not finished after {max_steps} steps")

    def _wait_for_person(self, instruction: str, check: Callable[[], None]) -> None:
        """Let a person work; frames keep coming into the history, steps are not counted."""
        self.get_logger().info("a person has taken over; the policy waits")
        period_ns = round(1e9 / self._spec.rate_hz)
        next_ns = self._now_ns()
        while self._executor_link.overridden:
            check()
            if self._now_ns() < next_ns:
                self._closing.wait(_POLL_S)
                continue
            self._observations.next(instruction, check)
            next_ns = self._now_ns() + period_ns
        self._policy.relocate(self._executor_link.tool_position_m)
        self._answer_lost = False
        self._watch.restart()
        self._endurance.begin(time.monotonic())
        self.get_logger().info("the person has let go; the policy goes on")

    def _ask_policy(
        self, observation: Observation, check: Callable[[], None]
    ) -> tuple[PolicyStep | None, PolicyFault | None, Latencies]:
        """The policy's answer or why there is none, and the latencies around it [ms]."""
        latencies_ms = dict(self._observations.latencies_ms())
        fault = self._watch.observation(observation.newest.stamp_ns, self._now_ns())
        if fault is not None:
            return None, fault, latencies_ms
        started_s = time.perf_counter()
        answer = None
        try:
            self._make_good()
            answer = self._policy.step(observation, check)
        except PolicyTimeoutError as error:
            fault = self._watch.count(PolicyFault(POLICY_SLOW, str(error)))
        except PolicyConnectionError as error:
            fault = self._watch.count(PolicyFault(POLICY_UNREACHABLE, str(error)))
        except SpatialBotError:
            raise
        except Exception as error:
            # a defect in a policy ends its instruction, not the node
            self.get_logger().error(traceback.format_exc())
            text = f"the policy failed: {type(error).__name__}: {error}"
            self._faults.tell(self._watch.count(PolicyFault(POLICY_DEFECT, text)))
            raise PolicyError(text) from error
        latencies_ms["policy"] = (time.perf_counter() - started_s) * 1e3
        return answer, fault, latencies_ms

    def _make_good(self) -> None:
        """Tell a policy that adds up its own motions where the tool is: one was not executed."""
        if not self._answer_lost:
            return
        if not self._policy.can_lose_answers:
            raise GoalEndedError(
                "an answer was not executed, and this policy cannot go on from frames alone; home"
                " the arm and start the instruction again"
            )
        if not self._policy.resumes_from_frames:
            self._policy.relocate(self._executor_link.tool_target_m)
        self._answer_lost = False

    def _read(
        self, answer: PolicyStep, observation: Observation
    ) -> tuple[DeltaAction | Finished | None, PolicyFault | None]:
        """What to do, or why it must not be done."""
        stamps_ns = [frame.stamp_ns for frame in observation.frames]
        fault = self._watch.answer(answer.observation_stamp_ns, stamps_ns, self._now_ns())
        if fault is not None:
            return None, fault
        try:
            action = parse_action_text(answer.text, self._spec)
        except ActionParseError as error:
            return None, self._watch.unreadable(answer.text, error)
        if isinstance(action, DeltaAction):
            fault = self._watch.action(action)
        return (action, None) if fault is None else (None, fault)

    def _hold(
        self,
        fault: PolicyFault,
        observation: Observation,
        answer: PolicyStep | None,
        latencies_ms: Mapping[str, float],
    ) -> None:
        """No action for this step; raises when there were too many of them."""
        self._answer_lost = True
        is_late = answer is not None and fault.name == POLICY_SLOW
        told = replace(
            answer or PolicyStep("", 0),
            # of the frame it was asked about, so that the step is where the history has it
            observation_stamp_ns=observation.newest.stamp_ns,
            stage=fault.detail if is_late else f"hold, {fault.name}: {fault.detail}",
        )
        self._publish_step(observation, told, latencies_ms)
        self._faults.tell(fault)
        reason = self._endurance.held(fault, time.monotonic())
        if reason and self._endurance.is_silence(fault):
            self._faults.tell(self._watch.count(PolicyFault(POLICY_SILENT, reason)))
        if reason:
            raise GoalEndedError(reason)

    def _describe(self) -> Mapping[str, str]:
        """What the diagnostics say besides faults."""
        return {
            **{name: str(count) for name, count in self._counts.items()},
            "late answers dropped": str(self._policy.num_late_answers),
            "hung policies": str(self._policy.num_left_behind),
        }

    def _publish_step(
        self,
        observation: Observation,
        answer: PolicyStep,
        latencies_ms: Mapping[str, float],
        finished: bool = False,
        sequence: int = 0,
    ) -> None:
        self._steps.publish(
            policy_step_to_msg(
                answer,
                observation,
                policy=self._settings.policy,
                now=self.get_clock().now().to_msg(),
                latencies_ms=latencies_ms,
                finished=finished,
                sequence=sequence,
            )
        )

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Entry point of `vla_node`."""
    raise SystemExit(run_node(VlaNode, num_threads=4))


if __name__ == "__main__":
    main()

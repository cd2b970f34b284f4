"""The VLA node: an instruction comes in, one delta action per control step goes out.

`/spatialbot/execute` runs the policy at the action spec's rate of ROS time (the robot's time
in simulation), always on the newest synchronised colour-depth pair. Every answer, a model's or
the classical policy's, passes the same parser; what does not parse moves nothing. The loop runs
in the goal's own thread, so inference never blocks a callback, and it waits for the executor to
have taken one action before it emits the next. While a person has the arm the policy is not asked;
its history goes on, and so does the instruction when the person has let go.
"""

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace

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
from spatialbot_model.policies.base import relocate
from spatialbot_model.policies.registry import make_policy
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.nodes.executor_link import ExecutorLink
from spatialbot_ros.nodes.observation_source import ObservationSource
from spatialbot_ros.nodes.parameters import declare
from spatialbot_ros.nodes.policy_steps import policy_step_to_msg
from spatialbot_ros.nodes.qos import LATCHED, RECORDED
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.nodes.vla_parameters import VlaParameters

_POLL_S = 0.004


class GoalEndedError(SpatialBotError):
    """Ends the running instruction; the message becomes the result's reason."""


class VlaNode(Node):
    """Node `vla`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("vla")
        p = self._parameters = declare(self, VlaParameters)
        self._spec = load_action_spec(p.action_spec_file)
        self._policy = make_policy(p.policy, p.policy_config(self._spec))
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
        """End the running instruction and release the policy."""
        self._closing.set()
        with self._goal_lock:
            self._policy.close()
        self._server.destroy()

    def _execute(self, goal: ServerGoalHandle) -> ExecuteInstruction.Result:
        result = ExecuteInstruction.Result()
        if not self._goal_lock.acquire(blocking=False):
            result.reason = "another instruction is running; cancel it first"
            goal.abort()
            return result
        started_ns = self._now_ns()
        try:
            self._run(goal, result)
            goal.succeed()
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
        max_steps = goal.request.max_steps or self._parameters.max_steps
        self._policy.start(instruction)
        if self._parameters.home_first:
            self._executor_link.go_home(check)
        self._executor_link.begin(check)
        self._observations.begin()
        self._instructions.publish(String(data=instruction))
        period_ns = round(1e9 / self._spec.rate_hz)
        next_ns = self._now_ns()
        malformed = 0
        answered_s = time.monotonic()
        for step in range(1, max_steps + 1):
            while self._now_ns() < next_ns:
                check()
                self._closing.wait(_POLL_S)
            self._executor_link.wait_taken(check)
            if self._executor_link.overridden:
                self._wait_for_person(instruction, check)
                # a stop ends an intervention as well
                self._executor_link.wait_taken(check)
                answered_s = time.monotonic()
                next_ns = self._now_ns()
            observation = self._observations.next(instruction, check)
            answer, latencies_ms = self._ask_policy(observation)
            # steps keep to the schedule; a late one moves it, nothing is made up for in a burst
            next_ns = max(next_ns + period_ns, self._now_ns() + period_ns // 2)
            if answer is None:
                silent_s = time.monotonic() - answered_s
                if silent_s > self._parameters.policy_outage_s:
                    raise GoalEndedError(f"the policy has been silent for {silent_s:.1f} s")
                continue
            answered_s = time.monotonic()
            result.num_depth_queries += len(answer.depth_answers)
            age_s = (self._now_ns() - answer.observation_stamp_ns) * 1e-9
            if age_s > self._parameters.max_answer_age_s:
                answer = replace(answer, stage=f"late: {age_s:.2f} s")
                self._publish_step(observation, answer, latencies_ms)
                self.get_logger().warning(f"answer dropped, its image is {age_s:.2f} s old")
                continue
            try:
                action = parse_action_text(answer.text, self._spec)
            except ActionParseError as error:
                malformed += 1
                self._publish_step(observation, answer, latencies_ms)
                self.get_logger().warning(f"answer refused, the arm holds: {error}")
                if malformed >= self._parameters.max_malformed_answers:
                    text = f"{malformed} unreadable answers in a row: {error}"
                    raise GoalEndedError(text) from error
                continue
            malformed = 0
            finished = isinstance(action, Finished)
            sequence = 0
            if isinstance(action, DeltaAction):
                sequence = self._executor_link.send(action, answer.observation_stamp_ns)
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
        relocate(self._policy, self._executor_link.tool_position_m)
        self.get_logger().info("the person has let go; the policy goes on")

    def _ask_policy(self, observation: Observation) -> tuple[PolicyStep | None, dict[str, float]]:
        """The policy's answer, None while it has none, and the latencies around it [ms]."""
        latencies_ms = dict(self._observations.latencies_ms())
        started_s = time.perf_counter()
        answer = None
        try:
            answer = self._policy.step(observation)
        except (PolicyTimeoutError, PolicyConnectionError) as error:
            self.get_logger().warning(
                f"no answer, the arm holds: {error}", throttle_duration_sec=1.0
            )
            held = PolicyStep("", observation.newest.stamp_ns, stage=f"hold: {error}")
        except SpatialBotError:
            raise
        except Exception as error:
            # a defect in a policy ends its instruction, not the node
            self.get_logger().error(traceback.format_exc())
            raise PolicyError(f"the policy failed: {type(error).__name__}: {error}") from error
        latencies_ms["policy"] = (time.perf_counter() - started_s) * 1e3
        if answer is None:
            self._publish_step(observation, held, latencies_ms)
        return answer, latencies_ms

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
                policy=self._parameters.policy,
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

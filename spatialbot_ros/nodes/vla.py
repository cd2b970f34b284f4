"""The VLA node: an instruction comes in, one delta action per control step goes out.

`/spatialbot/execute` runs the policy at the action spec's rate of ROS time (the robot's time
in simulation), always on the newest synchronised colour-depth pair. Every answer, a model's or
the classical policy's, passes the same parser; what does not parse moves nothing. The loop runs
in the goal's own thread, so inference never blocks a callback, and it waits for the executor to
have taken one action before it emits the next.
"""

import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from spatialbot_msgs.action import ExecuteInstruction
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import DepthAnswer as DepthAnswerMsg
from spatialbot_msgs.msg import ExecutorState
from spatialbot_msgs.msg import PolicyStep as PolicyStepMsg
from std_msgs.msg import String
from std_srvs.srv import Trigger

from spatialbot_model.contracts.action_codec import DeltaAction, Finished, parse_action_text
from spatialbot_model.contracts.errors import (
    ActionParseError,
    ConfigurationError,
    PolicyError,
    SpatialBotError,
)
from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import BASE_FRAME, Observation, PolicyStep
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.policies.registry import POLICIES, make_policy
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.frame_pairs import FramePairs
from spatialbot_ros.nodes.conversions import msg_to_intrinsics, ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.images import msg_to_image
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.qos import LATCHED
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.nodes.static_transforms import StaticTransformListener

_POLL_S = 0.004
_BLOCKED_STATES = (
    ExecutorState.STOPPED,
    ExecutorState.FAULT,
    ExecutorState.DISCONNECTED,
)


@dataclass(frozen=True, slots=True)
class VlaParameters:
    """ROS parameters of the node."""

    policy: str = parameter("classical", "policy by name", choices=tuple(POLICIES))
    checkpoint: str = parameter("", "folder or name of the policy's weights")
    action_spec_file: str = parameter("", "action spec YAML; empty = shipped")
    cell_file: str = parameter("", "cell YAML; empty = shipped")
    max_steps: int = parameter(400, "control steps before giving up", low=1, high=100_000)
    max_malformed_answers: int = parameter(
        3, "unreadable answers in a row before giving up", low=1, high=100
    )
    home_first: bool = parameter(True, "move to the home pose before each instruction")
    camera_timeout_s: float = parameter(
        5.0, "wall seconds to wait for a newer image", low=0.1, high=120.0
    )
    executor_timeout_s: float = parameter(
        5.0, "wall seconds to wait for the executor", low=0.1, high=120.0
    )


class GoalEndedError(SpatialBotError):
    """Ends the running instruction; the message becomes the result's reason."""


class VlaNode(Node):
    """Node `vla`; see the module docstring."""

    def __init__(self) -> None:
        super().__init__("vla")
        self._parameters = declare(self, VlaParameters)
        self._spec = load_action_spec(self._parameters.action_spec_file)
        self._policy = make_policy(
            self._parameters.policy,
            PolicyConfig(
                action_spec=self._spec,
                cell=load_cell(self._parameters.cell_file),
                checkpoint=self._parameters.checkpoint,
            ),
        )
        self._history = FrameHistory()
        self._frames = FramePairs()
        self._transforms = StaticTransformListener(self)
        self._optical_frame = ""
        self._sequence = 0
        self._executor_state: ExecutorState | None = None
        self._executor_changed = threading.Condition()
        self._goal_lock = threading.Lock()
        self._closing = threading.Event()

        images = MutuallyExclusiveCallbackGroup()
        states = MutuallyExclusiveCallbackGroup()
        color = "/camera/camera/color"
        depth = "/camera/camera/aligned_depth_to_color"
        self.create_subscription(
            Image,
            f"{color}/image_raw",
            self._on_color,
            qos_profile_sensor_data,
            callback_group=images,
        )
        self.create_subscription(
            Image,
            f"{depth}/image_raw",
            self._on_depth,
            qos_profile_sensor_data,
            callback_group=images,
        )
        self.create_subscription(
            CameraInfo,
            f"{color}/camera_info",
            self._on_camera_info,
            qos_profile_sensor_data,
            callback_group=images,
        )
        self.create_subscription(
            ExecutorState,
            "/spatialbot/executor_state",
            self._on_executor_state,
            QoSProfile(depth=10),
            callback_group=states,
        )
        self._actions = self.create_publisher(
            DeltaActionMsg, "/spatialbot/action", QoSProfile(depth=10)
        )
        self._steps = self.create_publisher(
            PolicyStepMsg, "/spatialbot/policy_step", QoSProfile(depth=10)
        )
        self._instructions = self.create_publisher(String, "/spatialbot/instruction", LATCHED)
        self._home = self.create_client(Trigger, "/spatialbot/home", callback_group=states)
        self._server = ActionServer(
            self,
            ExecuteInstruction,
            "/spatialbot/execute",
            self._execute,
            cancel_callback=lambda goal: CancelResponse.ACCEPT,
            callback_group=ReentrantCallbackGroup(),
        )
        self.get_logger().info(
            f"policy {self._parameters.policy!r} is ready, action spec {self._spec.id}"
        )

    def close(self) -> None:
        """End the running instruction and release the policy."""
        self._closing.set()
        with self._goal_lock:
            self._policy.close()
        self._server.destroy()

    # -- callbacks -------------------------------------------------------------------------

    def _on_color(self, message: Image) -> None:
        with self._dropping(message):
            self._frames.add_color(stamp_to_ns(message.header.stamp), msg_to_image(message))
            self._optical_frame = message.header.frame_id

    def _on_depth(self, message: Image) -> None:
        with self._dropping(message):
            self._frames.add_depth(stamp_to_ns(message.header.stamp), msg_to_image(message))

    def _on_camera_info(self, message: CameraInfo) -> None:
        with self._dropping(message):
            self._frames.set_intrinsics(msg_to_intrinsics(message))

    @contextmanager
    def _dropping(self, message: Image | CameraInfo) -> Iterator[None]:
        """A malformed image is dropped with a warning; it must not end the node."""
        try:
            yield
        except ConfigurationError as error:
            self.get_logger().warning(
                f"dropped a message of {message.header.frame_id!r}: {error}",
                throttle_duration_sec=5.0,
            )

    def _on_executor_state(self, message: ExecutorState) -> None:
        with self._executor_changed:
            self._executor_state = message
            self._executor_changed.notify_all()

    # -- the goal --------------------------------------------------------------------------

    def _execute(self, goal: ServerGoalHandle) -> ExecuteInstruction.Result:
        result = ExecuteInstruction.Result()
        if not self._goal_lock.acquire(blocking=False):
            result.reason = "another instruction is running; cancel it first"
            goal.abort()
            return result
        started_ns = self.get_clock().now().nanoseconds
        try:
            self._run(goal, result)
            goal.succeed()
        except GoalEndedError as error:
            result.reason = str(error)
            if goal.is_cancel_requested:
                goal.canceled()
            else:
                goal.abort()
        except SpatialBotError as error:
            result.reason = f"{type(error).__name__}: {error}"
            goal.abort()
        finally:
            self._goal_lock.release()
        result.duration = (self.get_clock().now().nanoseconds - started_ns) * 1e-9
        self.get_logger().info(f"instruction ended after {result.num_steps} steps: {result.reason}")
        return result

    def _run(self, goal: ServerGoalHandle, result: ExecuteInstruction.Result) -> None:
        """The control loop; raises to end the goal without success."""
        instruction = goal.request.instruction
        max_steps = goal.request.max_steps or self._parameters.max_steps
        self._policy.start(instruction)
        if self._parameters.home_first:
            self._go_home(goal)
        self._history.clear()
        self._wait_for_executor(goal, acknowledged=False)
        self._instructions.publish(String(data=instruction))
        period_ns = round(1e9 / self._spec.rate_hz)
        last_stamp_ns = self._frames.newest_stamp_ns()
        next_ns = self.get_clock().now().nanoseconds
        malformed = 0
        for step in range(1, max_steps + 1):
            self._wait_until(next_ns, goal)
            self._wait_for_executor(goal)
            observation = self._observe(instruction, last_stamp_ns, goal)
            last_stamp_ns = observation.newest.stamp_ns
            started_s = time.perf_counter()
            answer = self._ask_policy(observation)
            latency_ms = (time.perf_counter() - started_s) * 1e3
            result.num_depth_queries += len(answer.depth_answers)
            next_ns = max(next_ns + period_ns, self.get_clock().now().nanoseconds)
            try:
                action = parse_action_text(answer.text, self._spec)
            except ActionParseError as error:
                malformed += 1
                self._publish_step(observation, answer, latency_ms, None)
                self.get_logger().warning(f"answer refused, the arm holds: {error}")
                if malformed >= self._parameters.max_malformed_answers:
                    raise GoalEndedError(f"{malformed} unreadable answers in a row: {error}") from (
                        error
                    )
                continue
            malformed = 0
            self._publish_step(observation, answer, latency_ms, action)
            feedback = ExecuteInstruction.Feedback(
                step=step, text=answer.text, stage=answer.stage, latency=latency_ms
            )
            goal.publish_feedback(feedback)
            if isinstance(action, Finished):
                result.finished = True
                result.reason = "finished"
                return
            result.num_steps += 1
        raise GoalEndedError(f"not finished after {max_steps} steps")

    def _ask_policy(self, observation: Observation) -> PolicyStep:
        try:
            return self._policy.step(observation)
        except SpatialBotError:
            raise
        except Exception as error:
            # a defect in a policy ends its instruction, not the node
            self.get_logger().error(traceback.format_exc())
            raise PolicyError(f"the policy failed: {type(error).__name__}: {error}") from error

    def _observe(self, instruction: str, than_ns: int, goal: ServerGoalHandle) -> Observation:
        frame = self._frames.wait_newer(than_ns, self._parameters.camera_timeout_s)
        self._check_running(goal)
        if frame is None:
            raise GoalEndedError(
                f"no newer colour and depth pair came within {self._parameters.camera_timeout_s} s;"
                " is the camera node running with align_depth.enable?"
            )
        deadline_s = time.monotonic() + self._parameters.camera_timeout_s
        while (T_base_camera := self._camera_pose()) is None and time.monotonic() < deadline_s:
            self._closing.wait(_POLL_S)
            self._check_running(goal)
        if T_base_camera is None:
            raise GoalEndedError(
                f"no static transform from {BASE_FRAME} to {self._optical_frame}; publish the"
                " calibrated camera pose (config/cell.yaml, camera node parameter publish_base_tf)"
            )
        self._history.push(frame)
        return Observation(self._history.frames(), instruction, T_base_camera)

    def _camera_pose(self) -> NDArray[np.float64] | None:
        return self._transforms.lookup(BASE_FRAME, self._optical_frame)

    def _publish_step(
        self,
        observation: Observation,
        answer: PolicyStep,
        latency_ms: float,
        action: DeltaAction | Finished | None,
    ) -> None:
        now = self.get_clock().now().to_msg()
        observed = ns_to_stamp(answer.observation_stamp_ns)
        message = PolicyStepMsg(
            observation_stamp=observed,
            policy=self._parameters.policy,
            instruction=observation.instruction,
            text=answer.text,
            stage=answer.stage,
            depth_checksum=zlib.crc32(observation.newest.depth_mm.data),
            finished=isinstance(action, Finished),
            latency_names=["policy", *answer.stage_ms],
            latencies=[latency_ms, *answer.stage_ms.values()],
            depth_answers=[
                DepthAnswerMsg(
                    x=a.x, y=a.y, valid=a.depth_mm is not None, depth=int(a.depth_mm or 0)
                )
                for a in answer.depth_answers
            ],
        )
        message.header.stamp = now
        if isinstance(action, DeltaAction):
            self._sequence += 1
            message.sequence = self._sequence
            delta = DeltaActionMsg(
                observation_stamp=observed,
                sequence=self._sequence,
                source="policy",
                action_spec_id=self._spec.id,
                bins=list(action.bins),
                translation=action.translation_m,
                rotation=action.rotation_rad,
                gripper_closed=action.gripper_closed,
            )
            delta.header.stamp = now
            delta.header.frame_id = self._spec.frame
            self._actions.publish(delta)
        self._steps.publish(message)

    # -- waiting ---------------------------------------------------------------------------

    def _check_running(self, goal: ServerGoalHandle) -> None:
        if goal.is_cancel_requested:
            raise GoalEndedError("cancelled")
        if self._closing.is_set() or not rclpy.ok():
            raise GoalEndedError("the node is shutting down")

    def _wait_until(self, until_ns: int, goal: ServerGoalHandle) -> None:
        self._check_running(goal)
        while self.get_clock().now().nanoseconds < until_ns:
            self._closing.wait(_POLL_S)
            self._check_running(goal)

    def _wait_for_executor(self, goal: ServerGoalHandle, acknowledged: bool = True) -> None:
        """Until the executor has taken the last action; ends the goal when it cannot move.

        With `acknowledged` False any state will do, and counting goes on from its sequence,
        so that a restarted policy node is not taken for a replay.
        """
        deadline_s = time.monotonic() + self._parameters.executor_timeout_s
        with self._executor_changed:
            while True:
                self._check_running(goal)
                state = self._executor_state
                if state is not None and state.state in _BLOCKED_STATES:
                    raise GoalEndedError(f"the executor is {state.state}: {state.detail}")
                if state is not None and state.state != ExecutorState.HOMING:
                    if not acknowledged:
                        self._sequence = state.last_sequence
                        return
                    if state.last_sequence >= self._sequence:
                        return
                if time.monotonic() > deadline_s:
                    raise GoalEndedError(
                        f"the executor did not take action {self._sequence} within"
                        f" {self._parameters.executor_timeout_s} s; is it running?"
                    )
                self._executor_changed.wait(0.05)

    def _go_home(self, goal: ServerGoalHandle) -> None:
        if not self._home.wait_for_service(self._parameters.executor_timeout_s):
            raise GoalEndedError("/spatialbot/home does not answer; is the executor running?")
        future = self._home.call_async(Trigger.Request())
        while not future.done():
            self._closing.wait(_POLL_S)
            self._check_running(goal)
        response = future.result()
        if response is None or not response.success:
            raise PolicyError(f"could not move home: {response.message if response else ''}")


def main() -> None:
    """Entry point of `vla_node`."""
    raise SystemExit(run_node(VlaNode, num_threads=4))


if __name__ == "__main__":
    main()

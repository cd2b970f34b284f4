"""Test doubles of camera, executor and policy around a real VLA node."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from spatialbot_msgs.action import ExecuteInstruction
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState, GripperState, SafetyEvent
from spatialbot_msgs.msg import PolicyStep as PolicyStepMsg
from std_srvs.srv import Trigger

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.transforms import compose
from spatialbot_model.contracts.types import (
    BASE_FRAME,
    COLOR_OPTICAL_FRAME,
    CameraIntrinsics,
    Observation,
    PolicyStep,
)
from spatialbot_model.policies import registry
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.nodes import vla
from spatialbot_ros.nodes.conversions import (
    camera_info_to_msg,
    ns_to_stamp,
    pose_to_msg,
    transform_to_msg,
)
from spatialbot_ros.nodes.draining_executor import DrainingExecutor
from spatialbot_ros.nodes.images import image_to_msg
from spatialbot_ros.nodes.static_transforms import StaticTransformPublisher

SPEC = load_action_spec()
TIMEOUT_S = 30.0
INTRINSICS = CameraIntrinsics(64, 48, 60.0, 60.0, 31.5, 23.5)
STATE_NS = 4_000_000
T_BASE_CAMERA = compose(np.diag([1.0, -1.0, -1.0]), [0.5, 0.0, 1.0])


def text_of(dx_m: float, closed: bool = False) -> str:
    """The answer of one step along x."""
    return format_action_text(DeltaAction.from_values([dx_m, 0, 0], np.zeros(3), closed, SPEC))


def bins_of(value: int) -> str:
    """The answer with this bin in all six motions, the gripper open."""
    return format_action_text(DeltaAction((value,) * 6 + (0,), SPEC))


Scripted = str | Exception | Callable[[Observation], PolicyStep]


@dataclass
class ScriptedPolicy:
    """Test double: answers the given texts one after the other and keeps what it saw."""

    config: PolicyConfig
    texts: list[Scripted]
    observations: list[Observation] = field(default_factory=list)
    resumes_from_frames = True

    def start(self, instruction: str) -> None:
        self.observations.clear()
        self._texts = iter(self.texts)

    def step(self, observation: Observation) -> PolicyStep:
        self.observations.append(observation)
        text = next(self._texts)
        if isinstance(text, Exception):
            raise text
        if not isinstance(text, str):
            return text(observation)
        return PolicyStep(text, observation.newest.stamp_ns, stage="scripted")

    def close(self) -> None: ...


class Surroundings:
    """Test double of camera and executor: 30 Hz images, a state that acknowledges actions."""

    publish_states = True
    """Whether the gripper is told, just before and just after each frame, as the pose is."""
    is_executor = True
    """Whether it plays the executor as well; false beside a real one."""

    def __init__(self) -> None:
        self.node = rclpy.create_node("surroundings")
        self.actions: list[DeltaActionMsg] = []
        self.steps: list[PolicyStepMsg] = []
        self.state = ExecutorState.IDLE
        self.acknowledge = True
        self.measured_x_m = 0.0
        self.publish_images = True
        self.image_age_s = 0.0
        self.events: list[SafetyEvent] = []
        self.states: list[ExecutorState] = []
        self.diagnostics: list[DiagnosticStatus] = []
        self._sequence = 0
        color, depth = "/camera/camera/color", "/camera/camera/aligned_depth_to_color"
        self._color = self.node.create_publisher(Image, f"{color}/image_raw", 5)
        self._depth = self.node.create_publisher(Image, f"{depth}/image_raw", 5)
        self._info = self.node.create_publisher(CameraInfo, f"{color}/camera_info", 5)
        if self.is_executor:
            self._state = self.node.create_publisher(
                ExecutorState, "/spatialbot/executor_state", QoSProfile(depth=10)
            )
            self._gripper = self.node.create_publisher(GripperState, "/spatialbot/gripper", 10)
            self.node.create_service(Trigger, "/spatialbot/home", self._on_home)
        self.node.create_subscription(DeltaActionMsg, "/spatialbot/action", self._on_action, 10)
        self.node.create_subscription(
            PolicyStepMsg, "/spatialbot/policy_step", self.steps.append, 10
        )
        for message_type, topic, kept in (
            (SafetyEvent, "/spatialbot/safety_event", self.events.append),
            (ExecutorState, "/spatialbot/executor_state", self.states.append),
            (DiagnosticArray, "/diagnostics", lambda m: self.diagnostics.extend(m.status)),
        ):
            self.node.create_subscription(message_type, topic, kept, 100)
        self._transforms = StaticTransformPublisher(self.node)
        self._transforms.send([transform_to_msg(T_BASE_CAMERA, BASE_FRAME, COLOR_OPTICAL_FRAME, 0)])
        self.client = ActionClient(self.node, ExecuteInstruction, "/spatialbot/execute")
        self.node.create_timer(1 / 30, self._tick)

    def _on_action(self, message: DeltaActionMsg) -> None:
        self.actions.append(message)
        if self.acknowledge:
            self._sequence = message.sequence

    def _on_home(self, _: Any, response: Trigger.Response) -> Trigger.Response:
        response.success = True
        return response

    def _tick(self) -> None:
        stamp_ns = self.node.get_clock().now().nanoseconds - round(self.image_age_s * 1e9)
        if not self.publish_images:
            self._send_state(stamp_ns)
            return
        for state_ns in (stamp_ns - STATE_NS, stamp_ns + STATE_NS):
            self._send_state(state_ns)
        frame = COLOR_OPTICAL_FRAME
        self._info.publish(camera_info_to_msg(INTRINSICS, frame, stamp_ns))
        color = np.full((48, 64, 3), 90, np.uint8)
        depth_mm = np.full((48, 64), 584, np.uint16)
        self._color.publish(image_to_msg(color, "rgb8", frame, stamp_ns))
        self._depth.publish(image_to_msg(depth_mm, "16UC1", frame, stamp_ns))

    def _send_state(self, stamp_ns: int) -> None:
        """A state whose target and width tell of which moment it is."""
        if not self.is_executor:
            return
        pose = pose_to_msg(compose(np.diag([1.0, -1.0, -1.0]), [self.measured_x_m, 0.0, 0.2]))
        target = pose_to_msg(
            compose(np.diag([1.0, -1.0, -1.0]), [self.told_by(stamp_ns), 0.0, 0.2])
        )
        state = ExecutorState(
            state=self.state,
            last_sequence=self._sequence,
            detail="as set",
            measured=pose,
            target=target,
        )
        gripper = GripperState(width=self.told_by(stamp_ns), closed_command=True)
        state.header.stamp = gripper.header.stamp = ns_to_stamp(stamp_ns)
        self._state.publish(state)
        if self.publish_states:
            self._gripper.publish(gripper)

    @staticmethod
    def told_by(stamp_ns: int) -> float:
        """The target's x and the width [m] of this moment."""
        return (stamp_ns % 10**10) * 1e-10

    def event_names(self, source: str = "policy") -> list[str]:
        """Names of the safety events of one source."""
        return [event.name for event in self.events if event.source == source]

    def execute(self, instruction: str = "go", max_steps: int = 0) -> ExecuteInstruction.Result:
        """Send a goal and wait for its result."""
        return wait(self.send(instruction, max_steps).get_result_async()).result

    def send(self, instruction: str = "go", max_steps: int = 0) -> Any:
        """Send a goal and wait until it is accepted; returns the handle."""
        assert self.client.wait_for_server(TIMEOUT_S)
        goal = ExecuteInstruction.Goal(instruction=instruction, max_steps=max_steps)
        return wait(self.client.send_goal_async(goal))


def wait(future: Any) -> Any:
    """Wait for a future that another thread completes."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(TIMEOUT_S), "no answer"
    return future.result()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for what the subscriptions bring."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.01)


Start = Callable[..., Surroundings]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts the node with a policy of the given texts; everything spins in one thread pool."""
    rclpy.init()
    executor = DrainingExecutor(4)
    nodes: list[Any] = []
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            executor.spin_once(timeout_sec=0.1)

    thread = threading.Thread(target=spin)

    def run(texts: list[Scripted] | None = None, **parameters: Any) -> Surroundings:
        surroundings = Surroundings()
        nodes.append(surroundings.node)
        if texts is not None:

            def make(config: PolicyConfig) -> ScriptedPolicy:
                surroundings.policy = ScriptedPolicy(config, texts)  # type: ignore[attr-defined]
                return surroundings.policy  # type: ignore[attr-defined]

            monkeypatch.setitem(registry.POLICIES, "classical", make)
        # a loaded machine is no reason to give up, except where a test wants it
        patience = {"camera_timeout_s": TIMEOUT_S, "executor_timeout_s": TIMEOUT_S}
        parameters = {"max_answer_age_s": 60.0, **patience, **parameters}
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        real_init = vla.Node.__init__
        monkeypatch.setattr(
            vla.Node,
            "__init__",
            lambda self, name: real_init(self, name, parameter_overrides=overrides),
        )
        nodes.append(vla.VlaNode())
        monkeypatch.setattr(vla.Node, "__init__", real_init)
        for node in nodes:
            executor.add_node(node)
        thread.start()
        return surroundings

    yield run
    try:
        for node in nodes:
            if hasattr(node, "close"):
                node.close()
    finally:
        ended.set()
        if thread.is_alive():
            thread.join()
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()

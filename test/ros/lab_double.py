"""A test double of camera, executor and policy: publishes every topic of an episode over DDS.

The scene is synthetic: a table seen from the shipped camera pose, a red square, and a gripper
path above it. Everything is a function of the step number, so that tests can compare.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from spatialbot_msgs.msg import DeltaAction, ExecutorState, GripperState, PolicyStep, SafetyEvent
from spatialbot_msgs.srv import StartEpisode, StopEpisode
from std_msgs.msg import String

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.types import BASE_FRAME, COLOR_OPTICAL_FRAME
from spatialbot_ros.configuration import load_action_spec, load_cell
from spatialbot_ros.nodes.conversions import camera_info_to_msg, ns_to_stamp, transform_to_msg
from spatialbot_ros.nodes.images import image_to_msg
from spatialbot_ros.nodes.static_transforms import StaticTransformPublisher

FIRST_NS = 5_000_000_000
STEP_NS = 66_666_667
TIMEOUT_S = 60.0
JOINTS = tuple(f"fr3_joint{i}" for i in range(1, 8))


def stamp_of(step: int) -> int:
    return FIRST_NS + step * STEP_NS


def color_of(step: int) -> np.ndarray:
    """(480, 640, 3) uint8 RGB."""
    image = np.full((480, 640, 3), (150, 140, 120), np.uint8)
    image[:, :, 2] += np.arange(640, dtype=np.uint8) // 8
    left = 250 + 2 * (step % 60)
    image[230:270, left : left + 40] = (200, 30, 30)
    return image


def depth_of(step: int) -> np.ndarray:
    """(480, 640) uint16 mm, with holes."""
    rows = np.arange(480, dtype=np.uint16)[:, None]
    columns = np.arange(640, dtype=np.uint16)[None, :]
    depth = (1400 - rows + (columns * 7 + step) % 5).astype(np.uint16)
    depth[:20, :30] = 0
    return depth


def gripper_of(step: int) -> tuple[float, float, float]:
    """Tool centre point [m] in the base frame."""
    phase = step / 20.0
    return (0.45 + 0.1 * np.sin(phase), 0.2 * np.cos(phase), 0.05 + 0.2 * abs(np.sin(phase)))


class LabDouble:
    """Publishers of all contract topics and the recorder's two clients; spins by itself."""

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node("lab_double", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.cell: Cell = load_cell()
        types = {
            contract.COLOR_TOPIC: Image,
            contract.COLOR_INFO_TOPIC: CameraInfo,
            contract.DEPTH_TOPIC: Image,
            contract.DEPTH_INFO_TOPIC: CameraInfo,
            contract.JOINTS_TOPIC: JointState,
            contract.EE_POSE_TOPIC: PoseStamped,
            contract.GRIPPER_TOPIC: GripperState,
            contract.EXECUTOR_STATE_TOPIC: ExecutorState,
            contract.ACTION_TOPIC: DeltaAction,
            contract.POLICY_STEP_TOPIC: PolicyStep,
            contract.INSTRUCTION_TOPIC: String,
            contract.SAFETY_EVENT_TOPIC: SafetyEvent,
        }
        self.publishers = {
            name: self.node.create_publisher(message_type, name, QoSProfile(depth=100))
            for name, message_type in types.items()
        }
        self._start = self.node.create_client(StartEpisode, "/spatialbot/episode/start")
        self._stop = self.node.create_client(StopEpisode, "/spatialbot/episode/stop")
        self._static = StaticTransformPublisher(self.node)
        self.step = 0
        self._spec_id = load_action_spec().id
        self._closing = threading.Event()
        self._spinner = threading.Thread(target=self._spin)
        self._spinner.start()

    def close(self) -> None:
        self._closing.set()
        self._executor.wake()
        self._spinner.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def _spin(self) -> None:
        while not self._closing.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def wait_for_recorder(self) -> None:
        assert self._start.wait_for_service(TIMEOUT_S)
        assert self._stop.wait_for_service(TIMEOUT_S)

    def calibrate(self) -> None:
        """Latch the camera's pose."""
        T = self.cell.camera.T_base_color
        self._static.send([transform_to_msg(T, BASE_FRAME, COLOR_OPTICAL_FRAME, FIRST_NS)])

    def publish_step(self) -> int:
        """One camera period: every continuous topic once, and a policy step."""
        step, stamp_ns = self.step, stamp_of(self.step)
        self.step += 1
        stamp = ns_to_stamp(stamp_ns)
        x, y, z = gripper_of(step)
        pose = PoseStamped()
        pose.header.stamp, pose.header.frame_id = stamp, BASE_FRAME
        pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = x, y, z
        joints = JointState(name=list(JOINTS), position=[0.1 * i + z for i in range(7)])
        joints.header.stamp = stamp
        gripper = GripperState(width=0.08 - z / 10, closed_command=step % 40 > 20)
        state = ExecutorState(state=ExecutorState.RUNNING, last_sequence=step)
        action = DeltaAction(observation_stamp=stamp, sequence=step + 1, source="policy")
        action.action_spec_id, action.bins = self._spec_id, [50, 51, 44, 50, 50, 50, 100]
        text = "The robot should <0.50, 0.51, 0.44, 0.50, 0.50, 0.50, 1>."
        answer = PolicyStep(observation_stamp=stamp, sequence=step + 1, text=text, stage="reach")
        for message in (gripper, state, action, answer):
            message.header.stamp = stamp
        frame, color = COLOR_OPTICAL_FRAME, self.cell.camera.color
        self.publish(
            {
                contract.COLOR_INFO_TOPIC: camera_info_to_msg(color, frame, stamp_ns),
                contract.DEPTH_INFO_TOPIC: camera_info_to_msg(color, frame, stamp_ns),
                contract.COLOR_TOPIC: image_to_msg(color_of(step), "rgb8", frame, stamp_ns),
                contract.DEPTH_TOPIC: image_to_msg(depth_of(step), "16UC1", frame, stamp_ns),
                contract.JOINTS_TOPIC: joints,
                contract.EE_POSE_TOPIC: pose,
                contract.GRIPPER_TOPIC: gripper,
                contract.EXECUTOR_STATE_TOPIC: state,
                contract.ACTION_TOPIC: action,
                contract.POLICY_STEP_TOPIC: answer,
            }
        )
        return step

    def publish(self, messages: dict[str, Any]) -> None:
        for topic, message in messages.items():
            self.publishers[topic].publish(message)

    def start(self, task: str = "pick_place", seed: int = 3) -> StartEpisode.Response:
        """Start an episode; camera and robot go on publishing while the service answers."""
        request = StartEpisode.Request(task=task, instruction="pick up the red cube", seed=seed)
        return self._call(self._start, request, self.publish_step)

    def stop(self, label: str = "success", discard: bool = False) -> StopEpisode.Response:
        request = StopEpisode.Request(label=label, reason="it lies there", discard=discard)
        return self._call(self._stop, request)

    def _call(self, client: Any, request: Any, meanwhile: Callable[[], Any] | None = None) -> Any:
        future = client.call_async(request)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        deadline_s = time.monotonic() + TIMEOUT_S
        while not done.wait(0.05):
            assert time.monotonic() < deadline_s, f"{client.srv_name} did not answer"
            if meanwhile is not None:
                meanwhile()
        return future.result()

    def wait_sent(self) -> None:
        """Until the recorder's side has everything that was published."""
        for publisher in self.publishers.values():
            assert publisher.wait_for_all_acked()

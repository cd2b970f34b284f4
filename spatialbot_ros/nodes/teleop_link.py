"""The teleoperator's side of the suite: actions and calls out; states, stamps and answers in."""

from collections.abc import Callable
from typing import Any

from rclpy.client import Client
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState, GripperState, TaskStatus
from spatialbot_msgs.srv import StartEpisode, StopEpisode
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.episode import DEPTH_INFO_TOPIC
from spatialbot_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.qos import RECORDED, STOP
from spatialbot_ros.nodes.stop import STOP_TOPIC
from spatialbot_ros.safety_records import TELEOP
from spatialbot_ros.teleop.inputs import Button
from spatialbot_ros.teleop.session import RecorderRequest

SERVICES = {
    Button.STOP: "stop",
    Button.RESUME: "resume",
    Button.RECOVER: "recover",
    Button.HOME: "home",
}
"""Buttons that call a service of the executor."""

Answer = Callable[[bool, str], None]


class TeleopLink:
    """Everything that the teleop node says and hears.

    Attributes:
        state, gripper, task: newest messages, None before the first.
        num_sent: actions sent; also the sequence number of the newest.

    Args:
        max_stamp_age_s: an image stamp older than this is not taken for what the person saw.
        on_gripper: called with the gripper's last command.
    """

    def __init__(
        self, node: Node, max_stamp_age_s: float, on_gripper: Callable[[bool], None]
    ) -> None:
        self._node = node
        self._max_stamp_age_ns = round(max_stamp_age_s * 1e9)
        self._on_gripper = on_gripper
        self._frame_ns = 0
        self.state: ExecutorState | None = None
        self.task: TaskStatus | None = None
        self.num_sent = 0
        self._actions = node.create_publisher(DeltaActionMsg, "/spatialbot/action", RECORDED)
        self._stop_requests = node.create_publisher(Empty, STOP_TOPIC, STOP)
        # calibration comes with every image, is stamped alike and costs nothing to send
        for message_type, topic, callback, qos in (
            (CameraInfo, DEPTH_INFO_TOPIC, self._on_camera_info, qos_profile_sensor_data),
            (ExecutorState, "/spatialbot/executor_state", self._on_state, 10),
            (GripperState, "/spatialbot/gripper", self._on_gripper_state, 10),
            (TaskStatus, "/simulation/task_status", self._on_task, 10),
        ):
            node.create_subscription(message_type, topic, callback, qos)
        self._services = {
            button: node.create_client(Trigger, f"/spatialbot/{name}")
            for button, name in SERVICES.items()
        }
        self._start = node.create_client(StartEpisode, "/spatialbot/episode/start")
        self._stop = node.create_client(StopEpisode, "/spatialbot/episode/stop")

    def send(self, action: DeltaAction) -> None:
        """Publish an action, stamped with the newest image, or with now when there is none."""
        now_ns = int(self._node.get_clock().now().nanoseconds)
        seen_ns = self._frame_ns
        if not 0 <= now_ns - seen_ns <= self._max_stamp_age_ns:
            seen_ns = now_ns
        self.num_sent += 1
        message = DeltaActionMsg(
            observation_stamp=ns_to_stamp(seen_ns),
            sequence=self.num_sent,
            source=TELEOP,
            action_spec_id=action.spec.id,
            bins=list(action.bins),
            translation=action.translation_m,
            rotation=action.rotation_rad,
            gripper_closed=action.gripper_closed,
        )
        message.header.stamp = ns_to_stamp(now_ns)
        message.header.frame_id = action.spec.frame
        self._actions.publish(message)

    def call(self, button: Button, answer: Answer) -> None:
        """Ask the executor for what a button of `SERVICES` means."""
        if button is Button.STOP:
            # the service may not have been found yet, or not know this client
            self._stop_requests.publish(Empty())
        self._call(self._services[button], Trigger.Request(), "the executor", answer)

    def record(
        self, request: RecorderRequest, task: str, instruction: str, seed: int, answer: Answer
    ) -> None:
        """Ask the recorder; `seed` -1 for none."""
        if request.start:
            start = StartEpisode.Request(task=task, instruction=instruction, seed=seed)
            self._call(self._start, start, "the recorder", answer)
            return
        stop = StopEpisode.Request(
            label=request.label, discard=request.discard, reason="asked for by the teleoperator"
        )
        self._call(self._stop, stop, "the recorder", answer)

    def _call(self, client: Client, request: Any, who: str, answer: Answer) -> None:
        if not client.service_is_ready():
            answer(False, f"{client.srv_name} does not answer; is {who} running?")
            return

        def done(future: Any) -> None:
            response = future.result()
            if response is None:
                answer(False, f"{client.srv_name} gave no answer")
                return
            path = getattr(response, "path", "")
            answer(bool(response.success), f"{response.message} {path}".strip())

        client.call_async(request).add_done_callback(done)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self._frame_ns = stamp_to_ns(message.header.stamp)

    def _on_state(self, message: ExecutorState) -> None:
        self.state = message

    def _on_gripper_state(self, message: GripperState) -> None:
        self._on_gripper(bool(message.closed_command))

    def _on_task(self, message: TaskStatus) -> None:
        self.task = message

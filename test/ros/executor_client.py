"""Test double of everyone who talks to the executor node: sends actions, calls services."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from robot_process import wait_until
from sensor_msgs.msg import JointState
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState, GripperState, SafetyEvent
from std_srvs.srv import Trigger

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_ros.nodes.conversions import ns_to_stamp

DOMAIN_ID = int(os.environ.get("ROS_DOMAIN_ID", "35"))
SPEC = ActionSpec()


class ExecutorProcess:
    """The node as users run it."""

    def __init__(self, **parameters):
        command = [sys.executable, "-m", "spatialbot_ros.nodes.executor", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self.process = subprocess.Popen(
            command,
            env=os.environ
            | {"ROS_DOMAIN_ID": str(DOMAIN_ID), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, signum=signal.SIGINT):
        """Exit code and everything written to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            _, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, errors


class ExecutorClient:
    """Keeps all messages; `state` is the newest."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN_ID)
        self.node = rclpy.create_node("executor_client", context=self.context)
        self.states, self.events, self.grippers = [], [], []
        self.joints, self.poses, self.diagnostics = [], [], []
        for message_type, topic, kept in (
            (ExecutorState, "/spatialbot/executor_state", self.states),
            (SafetyEvent, "/spatialbot/safety_event", self.events),
            (GripperState, "/spatialbot/gripper", self.grippers),
            (JointState, "/joint_states", self.joints),
            (PoseStamped, "/spatialbot/ee_pose", self.poses),
            (DiagnosticArray, "/diagnostics", self.diagnostics),
        ):
            self.node.create_subscription(message_type, topic, kept.append, 100)
        self.actions = self.node.create_publisher(DeltaActionMsg, "/spatialbot/action", 10)
        self.services = {
            name: self.node.create_client(Trigger, f"/spatialbot/{name}")
            for name in ("stop", "resume", "recover", "home")
        }
        self.sequence = 0
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def close(self):
        rclpy.shutdown(context=self.context)
        self._thread.join(10)
        self.node.destroy_node()

    @property
    def state(self):
        return self.states[-1] if self.states else ExecutorState()

    @property
    def position_m(self):
        p = self.state.measured.position
        return np.array([p.x, p.y, p.z])

    def wait_for_state(self, *names):
        wait_until(lambda: self.state.state in names)
        return self.state

    def start_call(self, name):
        client = self.services[name]
        assert client.wait_for_service(10.0)
        return client.call_async(Trigger.Request())

    def call(self, name):
        future = self.start_call(name)
        wait_until(future.done, 60.0)
        return future.result()

    def act(self, translation_m=(0, 0, 0), closed=False, age_s=0.0, sequence=None, **changes):
        """Send one action and wait until the executor has taken it."""
        self.sequence = self.sequence + 1 if sequence is None else sequence
        action = DeltaAction.from_values(translation_m, (0, 0, 0), closed, SPEC)
        message = DeltaActionMsg(
            sequence=self.sequence,
            source="policy",
            action_spec_id=SPEC.id,
            bins=list(action.bins),
            translation=action.translation_m,
            rotation=action.rotation_rad,
            gripper_closed=closed,
        )
        now_ns = self.node.get_clock().now().nanoseconds
        message.observation_stamp = ns_to_stamp(now_ns - int(age_s * 1e9))
        for name, value in changes.items():
            setattr(message, name, value)
        self.actions.publish(message)
        wait_until(lambda: self.state.last_sequence == self.sequence)

    def send(self, deltas_m, **keywords):
        """One action each tenth of a second of robot time."""
        for delta_m in deltas_m:
            due_s = self.state.robot_time + 0.1
            self.act(delta_m, **keywords)
            wait_until(lambda due_s=due_s: self.state.robot_time >= due_s - 1e-6)

    def wait_robot_time(self, duration_s):
        due_s = self.state.robot_time + duration_s
        wait_until(lambda: self.state.robot_time >= due_s)

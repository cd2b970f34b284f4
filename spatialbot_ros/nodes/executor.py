"""The executor node: owns the arm, follows delta actions, refuses what is not safe.

Subscribes `/spatialbot/action`; publishes `/joint_states`, `/spatialbot/{ee_pose, gripper,
executor_state, safety_event}` and diagnostics; serves `/spatialbot/{stop, resume, recover,
home}`; stops on `/spatialbot/stop_request` as well, and on SIGINT and SIGTERM.
``executor_state.last_sequence`` acknowledges a policy's action: it was integrated or refused.
Actions with source ``teleop`` override those of the policy (docs/teleoperation.md).
"""

import sys
import threading
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState, GripperState, SafetyEvent
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from spatialbot_ros.configuration import load_action_spec, load_cell, load_safety_limits
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.hardware_confirmation import check_hardware_confirmed, speed_factor_of
from spatialbot_ros.holding import HoldingCheck
from spatialbot_ros.nodes.arm_owner import ArmOwner, OwnerConfig, Wish
from spatialbot_ros.nodes.executor_messages import (
    ee_pose_to_msg,
    executor_to_msg,
    gripper_to_msg,
    joints_to_msg,
    msg_to_request,
    record_to_msg,
)
from spatialbot_ros.nodes.parameters import declare, parameter
from spatialbot_ros.nodes.qos import RECORDED, STOP
from spatialbot_ros.nodes.runtime import run_node
from spatialbot_ros.nodes.signal_watch import SignalWatch
from spatialbot_ros.nodes.stop import STOP_TOPIC
from spatialbot_ros.ports import ArmMode
from spatialbot_ros.robots.registry import ArmSettings, make_arm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_records import SafetyRecord, Severity

_LEVELS = {
    State.DISCONNECTED: DiagnosticStatus.ERROR,
    State.FAULT: DiagnosticStatus.ERROR,
    State.RECOVERING: DiagnosticStatus.ERROR,
    State.STOPPED: DiagnosticStatus.WARN,
}
_NUM_THREADS = 7


@dataclass(frozen=True, slots=True)
class ExecutorParameters:
    """Parameters of the executor node."""

    robot: str = parameter("franky", "arm by registry name: franky, memory")
    robot_ip: str = parameter("127.0.0.61", "host name or IP of the robot or simulated lab")
    i_have_read_the_safety_notes: bool = parameter(
        False, "true after reading docs/safety.md; a robot off loopback needs it"
    )
    cell_file: str = parameter("", "cell YAML (home pose, workspace box); empty = shipped")
    safety_file: str = parameter("", "safety limits YAML; empty = shipped")
    action_spec_file: str = parameter("", "action spec YAML; empty = shipped")
    command_rate_hz: float = parameter(
        50.0, "twists and states per second of robot time", low=20.0, high=200.0
    )
    gap_periods: float = parameter(
        3.0, "control periods without an action until the arm holds", low=1.0, high=50.0
    )
    teleop_hold_off_s: float = parameter(
        1.0,
        "robot seconds after a person's last action until the policy is followed again",
        low=0.2,
        high=60.0,
    )
    feedback_gain: float = parameter(8.0, "feedback on the target [1/s]", low=0.5, high=20.0)
    response_lag_s: float = parameter(
        0.065, "how late the arm answers a velocity command [s]", low=0.0, high=0.3
    )
    speed_factor: float = parameter(
        0.0,
        "share of the safety file's step and speed limits, from 0.05; 0 = 1, with a real robot 0.2",
        low=0.0,
        high=1.0,
    )
    acceleration_factor: float = parameter(
        1.0, "share of the safety file's acceleration limit", low=0.1, high=1.0
    )
    home_speed_factor: float = parameter(
        0.3,
        "share of the robot's joint speed for the home motion, times speed_factor",
        low=0.01,
        high=1.0,
    )
    home_timeout_s: float = parameter(
        120.0, "wall seconds until the home service gives an answer", low=1.0, high=600.0
    )
    backend: str = parameter("velocity", "how the arm follows: velocity, impedance (gives way)")
    enforce_realtime: bool = parameter(False, "refuse to run without a real-time kernel")


class ExecutorNode(Node):
    """Node around an `ArmOwner`; the owner's thread publishes."""

    def __init__(self) -> None:
        super().__init__("executor")
        p = declare(self, ExecutorParameters)
        check_hardware_confirmed(p.robot, p.robot_ip, p.i_have_read_the_safety_notes)
        cell = load_cell(p.cell_file)
        spec = load_action_spec(p.action_spec_file)
        speed_factor = speed_factor_of(p.robot, p.robot_ip, p.speed_factor)
        home_speed_factor = p.home_speed_factor * speed_factor
        limits = load_safety_limits(p.safety_file).scaled(speed_factor, p.acceleration_factor)
        envelope = SafetyEnvelope(
            limits, cell.workspace_min_m, cell.workspace_max_m, spec, cell.table_top_z_m
        )
        config = ExecutorConfig(
            action_rate_hz=spec.rate_hz,
            command_period_s=1.0 / p.command_rate_hz,
            gap_periods=p.gap_periods,
            teleop_hold_off_s=p.teleop_hold_off_s,
            feedback_gain_1_s=p.feedback_gain,
            response_lag_s=p.response_lag_s,
        )
        arm = make_arm(
            p.robot,
            ArmSettings(
                address=p.robot_ip,
                home_joints_rad=cell.home_joints_rad,
                enforce_realtime=p.enforce_realtime,
                gripper_force_n=limits.max_gripper_force_n,
                gripper_speed_m_s=limits.max_gripper_speed_m_s,
                backend=p.backend,
            ),
        )
        self._settings = p
        self._executor_model = Executor(config, envelope)
        self._holding = HoldingCheck()
        # stamp 0 means that simulated time has not begun
        self._last_stamp_ns = 0
        self._last_state: State | None = None
        self._success_rate = ""
        # diagnostics run in another thread than the owner
        self._summary_lock = threading.Lock()
        self._summary: tuple[State, str, dict[str, str]] = (State.DISCONNECTED, "starting", {})

        self._joints = self.create_publisher(JointState, "/joint_states", RECORDED)
        self._ee_pose = self.create_publisher(PoseStamped, "/spatialbot/ee_pose", RECORDED)
        self._gripper = self.create_publisher(GripperState, "/spatialbot/gripper", RECORDED)
        self._state = self.create_publisher(ExecutorState, "/spatialbot/executor_state", RECORDED)
        self._events = self.create_publisher(SafetyEvent, "/spatialbot/safety_event", RECORDED)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)

        self._owner = ArmOwner(
            arm,
            self._executor_model,
            OwnerConfig(config.command_period_s, cell.home_joints_rad, home_speed_factor),
            self,
        )
        self.create_subscription(
            DeltaActionMsg,
            "/spatialbot/action",
            lambda message: self._owner.submit(msg_to_request(message)),
            QoSProfile(depth=10),
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        # a topic as well: it needs no answer, and anyone may publish it
        self.create_subscription(
            Empty,
            STOP_TOPIC,
            lambda _: self._owner.stop(f"asked for on {STOP_TOPIC}"),
            STOP,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        for wish in Wish:
            self._serve(wish, p.home_timeout_s if wish is Wish.HOME else 10.0)
        self.create_timer(
            1.0,
            self._publish_diagnostics,
            callback_group=MutuallyExclusiveCallbackGroup(),
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.get_logger().info(
            f"arm {p.robot!r} at {p.robot_ip}, action spec {spec.id}, workspace"
            f" {cell.workspace_min_m.tolist()} to {cell.workspace_max_m.tolist()} m,"
            f" at most {limits.max_speed_m_s:.2f} m/s, home at {home_speed_factor:.0%} of the"
            " joints' speed"
        )
        # the main thread may be waiting inside rclpy when Ctrl-C comes: the arm does not wait
        self._signals = SignalWatch(lambda number: self._owner.stop(f"signal {number}"))
        self._signals.start()
        self._owner.start()

    def close(self) -> None:
        """Bring the arm to rest and disconnect."""
        self._signals.close()
        if not self._owner.close():
            sys.stderr.write("warning: the robot does not answer; ended without disconnecting\n")

    def now_ns(self) -> int:
        """ROS time."""
        return int(self.get_clock().now().nanoseconds)

    def on_state(self, executor: Executor) -> None:
        """Publish a control cycle; called on the owner's thread."""
        if executor.state is not self._last_state:
            self._last_state = executor.state
            self._log(f"state {executor.state.value}: {executor.detail}")
        measured, stamp_ns = executor.measured, self.now_ns()
        if measured is not None and executor.state is not State.DISCONNECTED:
            holding = self._holding.update(
                measured.robot_time_s, executor.gripper_closed, measured.gripper_width_m
            )
            happened = self._holding.take_records()
            if happened:
                self.on_records(happened)
            # extra cycles that acknowledge an action would repeat a stamp of simulated time
            if stamp_ns > self._last_stamp_ns:
                self._last_stamp_ns = stamp_ns
                self._publish(self._joints, joints_to_msg(measured, stamp_ns))
                self._publish(self._ee_pose, ee_pose_to_msg(measured, stamp_ns))
                gripper = gripper_to_msg(
                    measured.gripper_width_m, executor.gripper_closed, holding, stamp_ns
                )
                self._publish(self._gripper, gripper)
        # a new executor hears of simulated time a little later; a record would begin at stamp 0
        if stamp_ns:
            self._publish(self._state, executor_to_msg(executor, stamp_ns))
        with self._summary_lock:
            self._summary = (executor.state, executor.detail, self._values(executor))

    def on_records(self, records: tuple[SafetyRecord, ...]) -> None:
        """Publish interventions; called on the owner's thread."""
        stamp_ns = self.now_ns()
        for record in records:
            self._publish(self._events, record_to_msg(record, stamp_ns))
            # the beginning and the end of an intervention say what a line per action would
            if record.severity is not Severity.CLAMPED and record.name != "overridden":
                self._log(f"{record.name} ({record.source} {record.sequence}): {record.detail}")

    def on_disconnected(self, reason: str) -> None:
        """Say why there is no robot; called on the owner's thread."""
        if self.context.ok():
            self.get_logger().error(reason, throttle_duration_sec=10.0)

    def _serve(self, wish: Wish, timeout_s: float) -> None:
        def answer(_request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            outcome = self._owner.ask(wish, timeout_s)
            response.success, response.message = outcome.success, outcome.message
            return response

        # a group each: home blocks its own only, stop is always free
        self.create_service(
            Trigger,
            f"/spatialbot/{wish.value}",
            answer,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )

    def _publish(self, publisher: Publisher, message: Any) -> None:
        try:
            publisher.publish(message)
        except Exception:
            # the ROS context may end while the arm is still being brought to rest
            if self.context.ok():
                raise

    def _log(self, text: str) -> None:
        if self.context.ok():
            self.get_logger().info(text)

    def _values(self, executor: Executor) -> dict[str, str]:
        measured = executor.measured
        if measured is not None and measured.mode is ArmMode.MOVING:
            # at rest the robot reports none
            rate = measured.control_success_rate
            self._success_rate = "" if rate is None else f"{rate:.2f}"
        return {
            "robot": self._settings.robot,
            "address": self._settings.robot_ip,
            "faults": str(executor.num_faults),
            "safety_events": str(executor.num_safety_events),
            "control_cycles": str(self._owner.num_ticks),
            "longest_cycle_s": f"{self._owner.longest_tick_s:.3f}",
            "control success rate": self._success_rate,
        }

    def _publish_diagnostics(self) -> None:
        with self._summary_lock:
            state, detail, values = self._summary
        status = DiagnosticStatus(
            level=_LEVELS.get(state, DiagnosticStatus.OK),
            name="executor: arm",
            hardware_id=self._settings.robot_ip,
            message=f"{state.value}: {detail}",
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._publish(self._diagnostics, message)


def main(args: list[str] | None = None) -> int:
    """Entry point of `executor_node`."""
    return run_node(ExecutorNode, args, num_threads=_NUM_THREADS)


if __name__ == "__main__":
    sys.exit(main())

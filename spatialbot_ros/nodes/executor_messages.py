"""Executor values <-> messages."""

import numpy as np
from geometry_msgs.msg import PoseStamped
from sensor_msgs.msg import JointState
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from spatialbot_msgs.msg import ExecutorState, GripperState, SafetyEvent

from spatialbot_model.contracts.types import BASE_FRAME
from spatialbot_ros.executor import Executor
from spatialbot_ros.fr3_kinematics import FINGER_JOINT_NAMES, JOINT_NAMES
from spatialbot_ros.nodes.conversions import ns_to_stamp, pose_to_msg, stamp_to_ns
from spatialbot_ros.ports import ArmState
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord


def msg_to_request(message: DeltaActionMsg) -> ActionRequest:
    """DeltaAction to an unchecked request."""
    return ActionRequest(
        sequence=int(message.sequence),
        source=message.source,
        action_spec_id=message.action_spec_id,
        observation_stamp_ns=stamp_to_ns(message.observation_stamp),
        bins=tuple(int(k) for k in message.bins),
        translation_m=np.array(message.translation, dtype=np.float64),
        rotation_rad=np.array(message.rotation, dtype=np.float64),
        gripper_closed=bool(message.gripper_closed),
        sent_stamp_ns=stamp_to_ns(message.header.stamp),
    )


def record_to_msg(record: SafetyRecord, stamp_ns: int) -> SafetyEvent:
    """One intervention."""
    message = SafetyEvent(
        name=record.name,
        severity=int(record.severity),
        source=record.source,
        sequence=record.sequence,
        asked=list(record.asked),
        given=list(record.given),
        detail=record.detail,
    )
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = BASE_FRAME
    return message


def executor_to_msg(executor: Executor, stamp_ns: int) -> ExecutorState:
    """State of the executor; poses are zero before the first contact with a robot."""
    message = ExecutorState(
        state=executor.state.value,
        detail=executor.detail,
        last_sequence=executor.last_sequence,
        num_faults=executor.num_faults,
        num_safety_events=executor.num_safety_events,
    )
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = BASE_FRAME
    measured = executor.measured
    if measured is not None:
        T_target = executor.T_base_target
        message.target = pose_to_msg(T_target)
        message.measured = pose_to_msg(measured.T_base_ee)
        message.tracking_error = float(np.linalg.norm(T_target[:3, 3] - measured.T_base_ee[:3, 3]))
        message.robot_time = measured.robot_time_s
        message.robot_errors = list(measured.errors)
    return message


def joints_to_msg(state: ArmState, stamp_ns: int) -> JointState:
    """Seven arm joints and two finger joints, as robot_state_publisher wants them."""
    finger_m = 0.5 * state.gripper_width_m
    message = JointState(
        name=[*JOINT_NAMES, *FINGER_JOINT_NAMES],
        position=[*state.q_rad.tolist(), finger_m, finger_m],
        velocity=[*state.dq_rad_s.tolist(), 0.0, 0.0],
        effort=[*state.tau_nm.tolist(), 0.0, 0.0],
    )
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = BASE_FRAME
    return message


def ee_pose_to_msg(state: ArmState, stamp_ns: int) -> PoseStamped:
    """Measured pose of the tool centre point."""
    message = PoseStamped(pose=pose_to_msg(state.T_base_ee))
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = BASE_FRAME
    return message


def gripper_to_msg(width_m: float, closed: bool, holding: bool, stamp_ns: int) -> GripperState:
    """Opening, last command and whether something is held."""
    message = GripperState(width=width_m, closed_command=closed, holding=holding)
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = BASE_FRAME
    return message

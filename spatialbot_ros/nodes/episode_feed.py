"""Everything that the nodes publish of a run in one process, handed to the recorder's writer.

States, images and actions are made by the nodes' own converters and serialised by ROS; the wire
between is missing.
"""

import zlib
from collections import Counter
from typing import Any

import numpy as np
from rclpy.serialization import serialize_message
from spatialbot_msgs.msg import DeltaAction as DeltaActionMsg
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.types import (
    BASE_FRAME,
    COLOR_OPTICAL_FRAME,
    Observation,
    PolicyStep,
    RgbdFrame,
)
from spatialbot_ros.episodes.message_builder import build, header, stamp, to_cdr
from spatialbot_ros.episodes.writer import EpisodeWriter
from spatialbot_ros.executor import Executor
from spatialbot_ros.holding import HoldingCheck
from spatialbot_ros.nodes.conversions import camera_info_to_msg, ns_to_stamp, transform_to_msg
from spatialbot_ros.nodes.executor_messages import (
    ee_pose_to_msg,
    executor_to_msg,
    gripper_to_msg,
    joints_to_msg,
)
from spatialbot_ros.nodes.images import image_to_msg
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord


class EpisodeFeed:
    """One episode of a run; methods may be called from any thread, one at a time.

    Attributes:
        sent: messages by topic.
        refused: messages that the writer did not take.
    """

    def __init__(self, writer: EpisodeWriter) -> None:
        self._writer = writer
        self._holding = HoldingCheck()
        self._last_ns = 0
        self.sent: Counter[str] = Counter()
        self.refused = 0

    def begin(self, cell: Cell, instruction: str, now_ns: int) -> None:
        """What is latched."""
        transform = transform_to_msg(
            cell.camera.T_base_color, BASE_FRAME, COLOR_OPTICAL_FRAME, now_ns
        )
        self._put(contract.STATIC_TF_TOPIC, TFMessage(transforms=[transform]), now_ns)
        self._put(contract.INSTRUCTION_TOPIC, String(data=instruction), now_ns)

    def frame(self, frame: RgbdFrame) -> None:
        """What the camera shows."""
        ns, where = frame.stamp_ns, COLOR_OPTICAL_FRAME
        info = camera_info_to_msg(frame.intrinsics, where, ns)
        self._put(contract.COLOR_INFO_TOPIC, info, ns)
        self._put(contract.DEPTH_INFO_TOPIC, info, ns)
        self._put(contract.COLOR_TOPIC, image_to_msg(frame.color, "rgb8", where, ns), ns)
        self._put(contract.DEPTH_TOPIC, image_to_msg(frame.depth_mm, "16UC1", where, ns), ns)

    def state(self, executor: Executor, now_ns: int) -> None:
        """A control cycle of the executor."""
        measured = executor.measured
        if measured is not None and executor.state.value != "disconnected":
            holding = self._holding.update(
                measured.robot_time_s, executor.gripper_closed, measured.gripper_width_m
            )
            if now_ns > self._last_ns:
                self._last_ns = now_ns
                self._put(contract.JOINTS_TOPIC, joints_to_msg(measured, now_ns), now_ns)
                self._put(contract.EE_POSE_TOPIC, ee_pose_to_msg(measured, now_ns), now_ns)
                gripper = gripper_to_msg(
                    measured.gripper_width_m, executor.gripper_closed, holding, now_ns
                )
                self._put(contract.GRIPPER_TOPIC, gripper, now_ns)
        self._put(contract.EXECUTOR_STATE_TOPIC, executor_to_msg(executor, now_ns), now_ns)

    def event(self, record: SafetyRecord, now_ns: int) -> None:
        """An intervention of whoever."""
        message = build(
            "spatialbot_msgs/msg/SafetyEvent",
            header=header(now_ns, BASE_FRAME),
            name=record.name,
            severity=int(record.severity),
            source=record.source,
            sequence=record.sequence,
            asked=np.array(record.asked, dtype=np.float64),
            given=np.array(record.given, dtype=np.float64),
            detail=record.detail,
        )
        self._store(contract.SAFETY_EVENT_TOPIC, message, now_ns)

    def step(
        self, answer: PolicyStep, seen: Observation, request: ActionRequest | None, now_ns: int
    ) -> None:
        """An answer, and the action that was sent for it."""
        sequence = 0 if request is None else request.sequence
        message = build(
            "spatialbot_msgs/msg/PolicyStep",
            header=header(now_ns, ""),
            observation_stamp=stamp(answer.observation_stamp_ns),
            depth_checksum=zlib.crc32(seen.newest.depth_mm.data),
            sequence=sequence,
            policy="classical",
            instruction=seen.instruction,
            text=answer.text,
            stage=answer.stage,
        )
        self._store(contract.POLICY_STEP_TOPIC, message, now_ns)
        if request is None:
            return
        action = DeltaActionMsg(
            observation_stamp=ns_to_stamp(request.observation_stamp_ns),
            sequence=sequence,
            source=request.source,
            action_spec_id=request.action_spec_id,
            bins=list(request.bins),
            translation=request.translation_m,
            rotation=request.rotation_rad,
            gripper_closed=request.gripper_closed,
        )
        action.header.stamp = ns_to_stamp(now_ns)
        action.header.frame_id = BASE_FRAME
        self._put(contract.ACTION_TOPIC, action, now_ns)

    def _store(self, topic: str, message: Any, now_ns: int) -> None:
        """A message with texts: `serialize_message` leaves room behind these."""
        data = to_cdr(message, contract.EPISODE_TOPICS[topic].ros_type)
        self.sent[topic] += 1
        self.refused += not self._writer.write(topic, data, now_ns)

    def _put(self, topic: str, message: Any, now_ns: int) -> None:
        self.sent[topic] += 1
        self.refused += not self._writer.write(topic, serialize_message(message), now_ns)

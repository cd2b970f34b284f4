"""Episodes of synthetic frames for measurements, written by the recorder's own writer."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_INFO_TOPIC,
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EPISODE_TOPICS,
    POLICY_STEP_TOPIC,
    EpisodeMetadata,
)
from spatialbot_model.contracts.types import BASE_FRAME, COLOR_OPTICAL_FRAME, RgbdFrame
from spatialbot_ros.benchmarks.synthetic_frames import synthetic_frames
from spatialbot_ros.episodes.message_types import message_types
from spatialbot_ros.episodes.writer import EpisodeWriter

_INSTRUCTION = "pick up the red cube and put it on the left cutting board"
_ANSWER_NS = 50_000_000


def write_synthetic_episode(folder: Path, num_steps: int, seed: int) -> None:
    """One episode of `num_steps` control steps, a frame and a random action each.

    Raises:
        RecordingError: the folder exists, or the disk is full.
    """
    spec = ActionSpec()
    metadata = EpisodeMetadata("benchmark", _INSTRUCTION, spec.to_mapping(), seed=seed)
    rng = np.random.default_rng(seed)
    # queued without bound: every message counts here, and the disk may be slow
    writer = EpisodeWriter(folder, metadata, queue_bytes=2**40, durable=False)
    writer.open()
    stamp_ns = 0
    for frame in synthetic_frames(num_steps, seed):
        action = DeltaAction(tuple(rng.integers(0, 101, 7).tolist()), spec)
        for topic, message in _messages(frame, action).items():
            ros_type = EPISODE_TOPICS[topic].ros_type
            data = bytes(message_types().serialize_cdr(message, ros_type))
            stamp_ns = frame.stamp_ns + (_ANSWER_NS if "spatialbot" in topic else 0)
            writer.write(topic, data, stamp_ns)
    writer.close("success", "", stamp_ns)


def _messages(frame: RgbdFrame, action: DeltaAction) -> dict[str, Any]:
    types = message_types().types
    time = types["builtin_interfaces/msg/Time"]

    def header(ns: int, frame_id: str) -> Any:
        stamp = time(sec=ns // 10**9, nanosec=ns % 10**9)
        return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)

    def image(pixels: NDArray[Any], encoding: str) -> Any:
        return types["sensor_msgs/msg/Image"](
            header=header(frame.stamp_ns, COLOR_OPTICAL_FRAME),
            height=pixels.shape[0],
            width=pixels.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=pixels[0].nbytes,
            data=np.frombuffer(pixels.tobytes(), np.uint8),
        )

    answered = header(frame.stamp_ns + _ANSWER_NS, BASE_FRAME)
    observed = header(frame.stamp_ns, "").stamp
    return {
        COLOR_INFO_TOPIC: _camera_info(frame, header(frame.stamp_ns, COLOR_OPTICAL_FRAME)),
        COLOR_TOPIC: image(frame.color, "rgb8"),
        DEPTH_TOPIC: image(frame.depth_mm, "16UC1"),
        ACTION_TOPIC: types["spatialbot_msgs/msg/DeltaAction"](
            header=answered,
            observation_stamp=observed,
            sequence=1,
            source="expert",
            action_spec_id=action.spec.id,
            bins=np.array(action.bins, np.uint8),
            translation=action.translation_m,
            rotation=action.rotation_rad,
            gripper_closed=action.gripper_closed,
        ),
        POLICY_STEP_TOPIC: types["spatialbot_msgs/msg/PolicyStep"](
            header=answered,
            observation_stamp=observed,
            depth_checksum=0,
            sequence=1,
            policy="expert",
            instruction=_INSTRUCTION,
            text=format_action_text(action),
            stage="",
            finished=False,
            depth_answers=[],
            latency_names=[],
            latencies=np.zeros(0),
            action_probabilities=np.zeros(0),
        ),
    }


def _camera_info(frame: RgbdFrame, header: Any) -> Any:
    types = message_types().types
    camera = frame.intrinsics
    region = types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return types["sensor_msgs/msg/CameraInfo"](
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.array(camera.distortion),
        k=camera.matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([camera.matrix, np.zeros((3, 1))]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=region,
    )

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
from spatialbot_ros.episodes.message_builder import build, header, stamp, to_cdr
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
            data = to_cdr(message, EPISODE_TOPICS[topic].ros_type)
            stamp_ns = frame.stamp_ns + (_ANSWER_NS if "spatialbot" in topic else 0)
            writer.write(topic, data, stamp_ns)
    writer.close("success", "", stamp_ns)


def _messages(frame: RgbdFrame, action: DeltaAction) -> dict[str, Any]:
    camera = frame.intrinsics
    captured = header(frame.stamp_ns, COLOR_OPTICAL_FRAME)
    answered = header(frame.stamp_ns + _ANSWER_NS, BASE_FRAME)
    return {
        COLOR_INFO_TOPIC: build(
            "sensor_msgs/msg/CameraInfo",
            header=captured,
            height=camera.height,
            width=camera.width,
            distortion_model="plumb_bob",
            d=np.array(camera.distortion),
            k=camera.matrix.ravel(),
        ),
        COLOR_TOPIC: _image(frame.color, "rgb8", captured),
        DEPTH_TOPIC: _image(frame.depth_mm, "16UC1", captured),
        ACTION_TOPIC: build(
            "spatialbot_msgs/msg/DeltaAction",
            header=answered,
            observation_stamp=stamp(frame.stamp_ns),
            source="expert",
            action_spec_id=action.spec.id,
            bins=np.array(action.bins, np.uint8),
        ),
        POLICY_STEP_TOPIC: build(
            "spatialbot_msgs/msg/PolicyStep",
            header=answered,
            observation_stamp=stamp(frame.stamp_ns),
            instruction=_INSTRUCTION,
            text=format_action_text(action),
        ),
    }


def _image(pixels: NDArray[Any], encoding: str, captured: Any) -> Any:
    return build(
        "sensor_msgs/msg/Image",
        header=captured,
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels[0].nbytes,
        data=np.frombuffer(pixels.tobytes(), np.uint8),
    )

"""A test double of a recorder: writes any control steps as a bag, in any form of images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import synthetic_episode as synthetic
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.episode_images import (
    COLOR_COMPRESSED_TOPIC,
    COMPRESSED_TYPE,
    DEPTH_COMPRESSED_TOPIC,
    depth_png_to_payload,
)
from spatialbot_model.contracts.episode_sidecar import write_sidecar

MSGS = "spatialbot_msgs/msg"
STATE_TOPICS = (contract.EXECUTOR_STATE_TOPIC, contract.GRIPPER_TOPIC)
LEAD_M = 0.015
ROBOT_TOPICS = (contract.JOINTS_TOPIC, *STATE_TOPICS)
CONVERTED = (contract.COLOR_TOPIC, contract.DEPTH_TOPIC)


@dataclass(frozen=True)
class Step:
    """One control step about the frame of `frame`; None leaves the message away."""

    frame: int
    bins: tuple[int, ...] | None = (50, 51, 52, 53, 54, 55, 100)
    text: str | None = None
    source: str = "policy"
    instruction: str = synthetic.METADATA.instruction
    refused: bool = False

    @property
    def answer(self) -> str:
        if self.text is not None or self.bins is None:
            return self.text or ""
        return format_action_text(DeltaAction(self.bins, synthetic.SPEC))


@dataclass(frozen=True)
class State:
    """What the executor publishes in one control cycle; hand pointing down."""

    stamp_ns: int
    x_m: float = 0.5
    width_m: float = 0.08
    closed: bool = False
    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Note:
    """An annotation of the frame of `frame`."""

    frame: int
    instruction: str
    text: str
    pick: tuple[float, float, float, float] | None = None
    place: tuple[float, float, float, float] | None = None


def write_bag(
    folder: Path,
    steps: list[Step] | int = 6,
    *,
    num_frames: int = 8,
    images: str = "raw",
    zstd: bool = False,
    storage: StoragePlugin = StoragePlugin.MCAP,
    states: Sequence[State] | None = None,
    notes: Sequence[Note] = (),
    leave_out: tuple[str, ...] = (),
    log_delay_ns: int = 0,
    spec_id: str = synthetic.SPEC.id,
    **metadata: Any,
) -> Path:
    """A closed episode.

    Args:
        steps: or their number, one a frame.
        states: in the order in which they are to be written; None = one with each frame.
        images: raw, or compressed as image_transport does.
        log_delay_ns: log time behind the stamps, as of another recorder than ours.
        metadata: fields to replace.
    """
    if isinstance(steps, int):
        steps = [Step(k, (k, 50, 50, 50, 50, 50, 0)) for k in range(steps)]
    camera_pose = (
        contract.STATIC_TF_TOPIC,
        contract.EPISODE_TOPICS[contract.STATIC_TF_TOPIC].ros_type,
    )
    messages: list[tuple[str, str, Any, int]] = [
        (*camera_pose, synthetic.static_transform(), synthetic.FIRST_NS)
    ]
    for number in range(num_frames):
        step = synthetic.messages_of(number)
        for topic in (*ROBOT_TOPICS, contract.COLOR_INFO_TOPIC, *CONVERTED):
            if states is not None and topic in STATE_TOPICS:
                continue
            stored = (topic, contract.EPISODE_TOPICS[topic].ros_type, step[topic])
            if images == "compressed" and topic in CONVERTED:
                stored = compressed(topic, number)
            messages.append((*stored, synthetic.stamp_of(number)))
    for sequence, step in enumerate(steps, 1):
        messages += step_messages(sequence, step, spec_id)
    written_ns = synthetic.FIRST_NS
    for state in states or ():
        # not all recorders keep the order of the stamps
        written_ns += 1
        messages += state_messages(state, written_ns)
    messages += [note_message(note) for note in notes]
    folder.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(folder, version=9, storage_plugin=storage)
    if zstd:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    store = synthetic.message_types()
    with writer:
        connections = {
            topic: writer.add_connection(topic, ros_type, typestore=store)
            for topic, ros_type in {(m[0], m[1]) for m in messages}
            if topic not in leave_out
        }
        for topic, ros_type, message, stamp_ns in sorted(messages, key=lambda m: m[3]):
            if topic in connections:
                data = store.serialize_cdr(message, ros_type)
                writer.write(connections[topic], stamp_ns + log_delay_ns, data)
    facts = replace(synthetic.METADATA, label="success", stop_ns=synthetic.stamp_of(num_frames))
    write_sidecar(folder, replace(facts, **metadata))
    return folder


def step_messages(sequence: int, step: Step, spec_id: str) -> list[tuple[str, str, Any, int]]:
    """PolicyStep and DeltaAction, 70 ms after the frame."""
    observed_ns = synthetic.stamp_of(step.frame)
    stamp_ns = observed_ns + 70_000_000
    common = {
        "header": synthetic.header(stamp_ns),
        "observation_stamp": synthetic.stamp(observed_ns),
        "sequence": sequence,
    }
    found = []
    if step.source != "teleop":
        answer = synthetic.build(
            f"{MSGS}/PolicyStep",
            **common,
            text=step.answer,
            instruction=step.instruction,
            finished=step.answer == "The robot has finished.",
        )
        found.append((contract.POLICY_STEP_TOPIC, f"{MSGS}/PolicyStep", answer, stamp_ns))
    if step.bins is not None:
        action = synthetic.build(
            f"{MSGS}/DeltaAction",
            **common,
            source=step.source,
            action_spec_id=spec_id,
            bins=np.array(step.bins, np.uint8),
        )
        found.append((contract.ACTION_TOPIC, f"{MSGS}/DeltaAction", action, stamp_ns))
    if step.refused:
        event = synthetic.build(
            f"{MSGS}/SafetyEvent",
            header=common["header"],
            name="overridden",
            severity=2,
            source=step.source,
            sequence=sequence,
        )
        found.append((contract.SAFETY_EVENT_TOPIC, f"{MSGS}/SafetyEvent", event, stamp_ns))
    return found


def note_message(note: Note) -> tuple[str, str, Any, int]:
    """An Annotation, with the stamp of its frame."""
    stamp_ns = synthetic.stamp_of(note.frame)
    unknown = (0.0,) * 4
    message = synthetic.build(
        f"{MSGS}/Annotation",
        header=synthetic.header(stamp_ns),
        observation_stamp=synthetic.stamp(stamp_ns),
        instruction=note.instruction,
        text=note.text,
        pick_known=note.pick is not None,
        pick=np.array(note.pick or unknown),
        place_known=note.place is not None,
        place=np.array(note.place or unknown),
    )
    return contract.ANNOTATION_TOPIC, f"{MSGS}/Annotation", message, stamp_ns


def state_messages(state: State, log_ns: int) -> list[tuple[str, str, Any, int]]:
    """ExecutorState, its target a little ahead, and GripperState."""
    header = synthetic.header(state.stamp_ns)
    point, ahead = (
        synthetic.build("geometry_msgs/msg/Point", x=state.x_m + lead_m, y=-0.1, z=0.2)
        for lead_m in (0.0, LEAD_M)
    )
    turn = dict(zip("xyzw", state.quaternion, strict=True))
    orientation = synthetic.build("geometry_msgs/msg/Quaternion", **turn)
    executor = synthetic.build(
        f"{MSGS}/ExecutorState",
        header=header,
        state="running",
        measured=synthetic.build("geometry_msgs/msg/Pose", position=point, orientation=orientation),
        target=synthetic.build("geometry_msgs/msg/Pose", position=ahead, orientation=orientation),
    )
    gripper = synthetic.build(
        f"{MSGS}/GripperState", header=header, width=state.width_m, closed_command=state.closed
    )
    return [
        (contract.EXECUTOR_STATE_TOPIC, f"{MSGS}/ExecutorState", executor, log_ns),
        (contract.GRIPPER_TOPIC, f"{MSGS}/GripperState", gripper, log_ns),
    ]


def compressed(topic: str, number: int) -> tuple[str, str, Any]:
    """The image of a frame as image_transport publishes it."""
    if topic == contract.COLOR_TOPIC:
        name, text = COLOR_COMPRESSED_TOPIC, "rgb8; jpeg compressed bgr8"
        data = cv2.imencode(".jpg", synthetic.color_of(number)[..., ::-1])[1].tobytes()
    else:
        name, text = DEPTH_COMPRESSED_TOPIC, "16UC1; compressedDepth png"
        data = depth_png_to_payload(cv2.imencode(".png", synthetic.depth_of(number))[1].tobytes())
    message = synthetic.build(
        COMPRESSED_TYPE,
        header=synthetic.header(synthetic.stamp_of(number)),
        format=text,
        data=np.frombuffer(data, np.uint8),
    )
    return name, COMPRESSED_TYPE, message

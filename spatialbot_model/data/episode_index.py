"""The index of one episode: its control steps and where their frames lie in the bag.

Built by reading everything except images, which takes milliseconds, and small enough to send to
worker processes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import FINISHED_TEXT
from spatialbot_model.contracts.action_spec import NUM_BINS
from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    ANNOTATION_TOPIC,
    COLOR_INFO_TOPIC,
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EXECUTOR_STATE_TOPIC,
    GRIPPER_TOPIC,
    INSTRUCTION_TOPIC,
    POLICY_STEP_TOPIC,
    SAFETY_EVENT_TOPIC,
    STATIC_TF_TOPIC,
    EpisodeMetadata,
)
from spatialbot_model.contracts.episode_images import (
    COLOR_COMPRESSED_TOPIC,
    DEPTH_COMPRESSED_TOPIC,
)
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import ActionSpecMismatchError, RecordingError
from spatialbot_model.contracts.frame_tree import FrameTree
from spatialbot_model.contracts.message_fields import intrinsics_of, stamp_ns_of, transform_of
from spatialbot_model.contracts.types import BASE_FRAME, CameraIntrinsics, RgbdFrame
from spatialbot_model.data.annotations import Annotations, annotations_of
from spatialbot_model.data.bag_reader import (
    BagContents,
    BagReader,
    MessageAt,
    bag_files,
    decode_message,
)
from spatialbot_model.data.control_steps import (
    ActionEvent,
    AnswerEvent,
    ControlStep,
    control_steps,
)
from spatialbot_model.data.image_messages import color_of, depth_of
from spatialbot_model.data.mcap_file import Channel, Location
from spatialbot_model.data.robot_states import StampedMessages, step_states

_COLOR_TOPICS = (COLOR_TOPIC, COLOR_COMPRESSED_TOPIC)
_DEPTH_TOPICS = (DEPTH_TOPIC, DEPTH_COMPRESSED_TOPIC)
_OTHER_TOPICS = (
    ACTION_TOPIC,
    POLICY_STEP_TOPIC,
    INSTRUCTION_TOPIC,
    SAFETY_EVENT_TOPIC,
    COLOR_INFO_TOPIC,
    ANNOTATION_TOPIC,
    EXECUTOR_STATE_TOPIC,
    GRIPPER_TOPIC,
    STATIC_TF_TOPIC,
)
_NO_BINS = 255
_REFUSED = 2
"""Severity of a SafetyEvent about an action that was not executed."""


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeIndex:
    """One episode as training needs it.

    Attributes:
        folder: of the bag.
        metadata: what the episode says about itself.
        files: the bag's MCAP files.
        intrinsics: pinhole model of colour and aligned depth.
        T_base_camera: (4, 4) pose of the colour camera's optical frame in the base frame, NaN where
            the bag does not tell.
        color_channel, depth_channel: topics and definitions of the images.
        frame_stamps_ns: (F,) int64, ascending; only frames that a step needs.
        color_at, depth_at: (F, 4) int64: number of the file, and the `Location` in it.
        step_stamps_ns: (N,) int64: when each step was answered.
        step_frames: (N, H) int32: frames of a step by number, newest first, padded.
        step_states: (N, 21) float32, `RobotState.vector` at or before the newest frame of each
            step (right after it at the start of a recording), NaN where the bag does not tell.
        bins: (N, 7) uint8, 255 where the instruction ended without an action.
        sources, texts, instructions: of each step, see `ControlStep`.
        annotations: what a demonstrator would have answered, where the bag tells.
        lost: why steps could not be used -> how many.
    """

    folder: Path
    metadata: EpisodeMetadata
    files: tuple[str, ...]
    intrinsics: CameraIntrinsics
    T_base_camera: NDArray[np.float64]
    color_channel: Channel
    depth_channel: Channel
    frame_stamps_ns: NDArray[np.int64]
    color_at: NDArray[np.int64]
    depth_at: NDArray[np.int64]
    step_stamps_ns: NDArray[np.int64]
    step_frames: NDArray[np.int32]
    step_states: NDArray[np.float32]
    bins: NDArray[np.uint8]
    sources: tuple[str, ...]
    texts: tuple[str, ...]
    instructions: tuple[str, ...]
    annotations: Annotations
    lost: Mapping[str, int]

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.step_stamps_ns)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def num_frames(self) -> int:
        """Different frames that the steps need."""
        return len(self.frame_stamps_ns)

    def step_bins(self, step: int) -> tuple[int, ...] | None:
        """(7,) action taken, None where the instruction ended."""
        values = self.bins[step]
        return None if values[0] == _NO_BINS else tuple(int(k) for k in values)

    def read_frame(self, reader: BagReader, number: int) -> RgbdFrame:
        """One frame at full size, exactly as recorded (JPEG colour as it decodes).

        Raises:
            RecordingError: it does not decode, its stamp or size is another one, or the bag
                changed.
        """
        stamp_ns = int(self.frame_stamps_ns[number])
        images = []
        for channel, at in (
            (self.color_channel, self.color_at[number]),
            (self.depth_channel, self.depth_at[number]),
        ):
            data = reader.read(int(at[0]), Location(*at[1:].tolist()))
            message = decode_message(channel, data, self.folder)
            if stamp_ns_of(message.header.stamp) != stamp_ns:
                raise RecordingError(f"{self.folder} changed since it was indexed; open it again")
            images.append(message)
        color, depth_mm = color_of(images[0]), depth_of(images[1])
        try:
            return RgbdFrame(stamp_ns, color, depth_mm, self.intrinsics)
        except ValueError as error:
            raise RecordingError(f"{self.folder}, frame {number}: {error}") from error

    def reader(self) -> BagReader:
        """A reader for this episode's frames."""
        return BagReader(self.folder, self.files)


def build_index(folder: Path, history: int = 4) -> EpisodeIndex:
    """Index one episode.

    Raises:
        RecordingError: not an episode, damaged, never closed, without camera model or steps.
        ActionSpecMismatchError: an action in it has another spec than its metadata says.
    """
    metadata = read_sidecar(folder)
    files = bag_files(folder)
    reader = BagReader(folder, files)
    try:
        return _build(folder, metadata, files, reader, history)
    finally:
        reader.close()


def _build(
    folder: Path,
    metadata: EpisodeMetadata,
    files: tuple[str, ...],
    reader: BagReader,
    history: int,
) -> EpisodeIndex:
    contents = reader.locate((*_COLOR_TOPICS, *_DEPTH_TOPICS, *_OTHER_TOPICS))
    color_topic, color = _images(folder, reader, contents, _COLOR_TOPICS)
    depth_topic, depth = _images(folder, reader, contents, _DEPTH_TOPICS)
    if not contents.messages[COLOR_INFO_TOPIC]:
        raise RecordingError(f"{folder} holds no message of {COLOR_INFO_TOPIC}; nothing is learned")
    info_at = contents.messages[COLOR_INFO_TOPIC][0]
    try:
        info = reader.message(contents.channels[COLOR_INFO_TOPIC], info_at)
        intrinsics = intrinsics_of(info)
        T_base_camera = _camera_pose(reader, contents, info.header.frame_id)
        steps, lost = _steps(
            folder, metadata, reader, contents, sorted(set(color) & set(depth)), history
        )
        states = step_states(
            _stamped(reader, contents, EXECUTOR_STATE_TOPIC),
            _stamped(reader, contents, GRIPPER_TOPIC),
            [step.frames_ns[0] for step in steps],
        )
        annotations = annotations_of(
            (
                reader.message(contents.channels[ANNOTATION_TOPIC], at)
                for at in contents.messages[ANNOTATION_TOPIC]
            ),
            {step.frames_ns[0]: number for number, step in enumerate(steps)},
        )
    except (AttributeError, IndexError) as error:
        raise RecordingError(f"{folder}: a message lacks a field: {error}") from error
    if not steps:
        if not contents.messages[ACTION_TOPIC]:
            lost[f"there is no message of {ACTION_TOPIC}, and no answer ends the instruction"] += 1
        reasons = "; ".join(f"{number} because {reason}" for reason, number in lost.items())
        raise RecordingError(f"{folder} holds no step that can be learned ({reasons or 'none'})")
    stamps = sorted({stamp_ns for step in steps for stamp_ns in step.frames_ns})
    number_of = {stamp_ns: number for number, stamp_ns in enumerate(stamps)}
    return EpisodeIndex(
        folder=folder,
        metadata=metadata,
        files=files,
        intrinsics=intrinsics,
        T_base_camera=T_base_camera,
        color_channel=contents.channels[color_topic],
        depth_channel=contents.channels[depth_topic],
        frame_stamps_ns=np.array(stamps, np.int64),
        color_at=_positions(color[stamp_ns] for stamp_ns in stamps),
        depth_at=_positions(depth[stamp_ns] for stamp_ns in stamps),
        step_stamps_ns=np.array([step.stamp_ns for step in steps], np.int64),
        step_frames=np.array(
            [[number_of[stamp_ns] for stamp_ns in step.frames_ns] for step in steps], np.int32
        ),
        step_states=states,
        bins=np.array([step.bins or (_NO_BINS,) * 7 for step in steps], np.uint8),
        sources=tuple(step.source for step in steps),
        texts=tuple(step.text for step in steps),
        instructions=tuple(step.instruction for step in steps),
        annotations=annotations,
        lost=dict(lost),
    )


def _camera_pose(
    reader: BagReader, contents: BagContents, optical_frame: str
) -> NDArray[np.float64]:
    tree = FrameTree()
    for at in contents.messages[STATIC_TF_TOPIC]:
        for entry in reader.message(contents.channels[STATIC_TF_TOPIC], at).transforms:
            T = transform_of(entry.transform)
            tree.set(entry.header.frame_id, entry.child_frame_id, T)
    T_base_camera = tree.lookup(BASE_FRAME, optical_frame)
    return np.full((4, 4), np.nan) if T_base_camera is None else T_base_camera


def _stamped(reader: BagReader, contents: BagContents, topic: str) -> StampedMessages:
    stamped = ((reader.stamp_ns(at), at) for at in contents.messages[topic])
    found = sorted(stamped, key=lambda pair: pair[0])

    def read(number: int) -> Any:
        return reader.message(contents.channels[topic], found[number][1])

    return StampedMessages([stamp_ns for stamp_ns, _ in found], read)


def _images(
    folder: Path, reader: BagReader, contents: BagContents, topics: tuple[str, ...]
) -> tuple[str, dict[int, MessageAt]]:
    """The topic that holds the images, and where each lies by its header's stamp."""
    for topic in topics:
        found = contents.messages[topic]
        if found:
            return topic, {reader.stamp_ns(at): at for at in found}
    raise RecordingError(f"{folder} holds no message of {' or '.join(topics)}")


def _positions(places: Iterable[MessageAt]) -> NDArray[np.int64]:
    return np.array([(place.file, *place.location) for place in places], np.int64)


def _steps(
    folder: Path,
    metadata: EpisodeMetadata,
    reader: BagReader,
    contents: BagContents,
    pair_stamps_ns: list[int],
    history: int,
) -> tuple[list[ControlStep], Counter[str]]:
    def events(topic: str) -> Iterable[tuple[int, Any]]:
        for at in contents.messages[topic]:
            yield at.log_ns, reader.message(contents.channels[topic], at)

    spec = metadata.spec
    refused = {
        (str(message.source), int(message.sequence))
        for _, message in events(SAFETY_EVENT_TOPIC)
        if message.severity == _REFUSED and message.sequence
    }
    actions = []
    for _, message in events(ACTION_TOPIC):
        if message.action_spec_id != spec.id:
            raise ActionSpecMismatchError(
                f"{folder}: an action has the spec {message.action_spec_id!r} and the metadata says"
                f" {spec.id!r}; the same bins would mean different motions"
            )
        actions.append(
            ActionEvent(
                stamp_ns_of(message.header.stamp),
                stamp_ns_of(message.observation_stamp),
                str(message.source),
                _bins(folder, message.bins),
                (str(message.source), int(message.sequence)) in refused,
            )
        )
    answers = [
        AnswerEvent(
            stamp_ns_of(message.header.stamp),
            stamp_ns_of(message.observation_stamp),
            str(message.text),
            str(message.instruction),
            bool(message.finished) or str(message.text).rstrip().endswith(FINISHED_TEXT),
        )
        for _, message in events(POLICY_STEP_TOPIC)
    ]
    return control_steps(
        actions,
        answers,
        pair_stamps_ns=pair_stamps_ns,
        instructions=[(log_ns, str(message.data)) for log_ns, message in events(INSTRUCTION_TOPIC)],
        instruction=metadata.instruction,
        history=history,
        period_ns=round(1e9 / spec.rate_hz),
    )


def _bins(folder: Path, values: Any) -> tuple[int, ...]:
    bins = tuple(int(k) for k in values)
    if len(bins) != 7 or max(bins) >= NUM_BINS:
        raise RecordingError(f"{folder}: an action has the bins {bins}, expected seven of 0..100")
    return bins

"""What was done in an episode, to do it again, and how far two paths lie apart."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode import ACTION_TOPIC, EpisodeMetadata
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import stamp_ns_of
from spatialbot_ros.episodes.reader import EpisodeReader


@dataclass(frozen=True, slots=True)
class RecordedMotion:
    """The actions of an episode in the order they were sent.

    Attributes:
        metadata: of the episode.
        spec: what its bins mean.
        actions: N of them.
        tcp_m: (N + 1, 3) tool centre point in the base frame when each was sent, and at the end.
    """

    metadata: EpisodeMetadata
    spec: ActionSpec
    actions: tuple[DeltaAction, ...]
    tcp_m: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PathDifference:
    """How far two paths of the tool centre point lie apart, step by step [mm]."""

    mean_mm: float
    max_mm: float
    final_mm: float


def recorded_motion(folder: Path) -> RecordedMotion:
    """Read the actions and the path of an episode.

    Raises:
        RecordingError: it cannot be read, or holds no action or no pose.
    """
    with EpisodeReader(folder) as reader:
        spec = ActionSpec.from_mapping(reader.metadata.action_spec)
        sent_ns, actions = [], []
        for _, _, message in reader.messages(ACTION_TOPIC):
            sent_ns.append(stamp_ns_of(message.header.stamp))
            actions.append(DeltaAction(tuple(int(k) for k in message.bins), spec))
        path = reader.gripper_path()
        metadata = reader.metadata
    if not actions or not len(path.stamps_ns):
        raise RecordingError(
            f"{folder} holds {len(actions)} actions and {len(path.stamps_ns)} poses; there is"
            " nothing to execute again"
        )
    # the newest pose that was known when the action was sent
    rows = np.searchsorted(path.stamps_ns, np.array(sent_ns), side="right") - 1
    rows = np.append(np.maximum(rows, 0), len(path.stamps_ns) - 1)
    return RecordedMotion(metadata, spec, tuple(actions), path.values[rows])


def path_difference(first_m: NDArray[np.float64], second_m: NDArray[np.float64]) -> PathDifference:
    """Compare two paths (N, 3) [m] row by row.

    Raises:
        RecordingError: they differ in length.
    """
    if first_m.shape != second_m.shape:
        raise RecordingError(
            f"paths of {len(first_m)} and {len(second_m)} points cannot be compared; expected as"
            " many points as actions"
        )
    apart_mm = np.linalg.norm(first_m - second_m, axis=1) * 1e3
    return PathDifference(float(apart_mm.mean()), float(apart_mm.max()), float(apart_mm[-1]))

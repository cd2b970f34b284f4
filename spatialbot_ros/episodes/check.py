"""Says whether an episode is complete and true to its contract."""

from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_TOPIC,
    CUSTOM_DATA_KEY,
    DEPTH_TOPIC,
    EPISODE_TOPICS,
    EpisodeMetadata,
)
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.bag_information import bag_information
from spatialbot_ros.episodes.message_scan import MessageScan
from spatialbot_ros.episodes.metadata_update import is_same_metadata
from spatialbot_ros.episodes.reader import EpisodeReader

MAX_GAP_S = 1.0
"""Longest silence of a continuous topic that is no problem, in ROS time."""

_MAX_UNPAIRED = 0.02
_UNPAIRED_ENDS = 2


@dataclass(frozen=True, slots=True)
class EpisodeReport:
    """What `check_episode` found.

    Attributes:
        problems: one sentence each; empty when all is well.
        counts: messages per topic of the contract as found in the bag.
        num_pairs: colour images whose aligned depth, of the same stamp, is there too.
        metadata: None when unreadable.
        warnings: what a person may want to know; the episode is usable.
        longest_gap_s: per continuous topic, the longest time between two messages.
    """

    folder: Path
    problems: tuple[str, ...]
    counts: dict[str, int]
    num_pairs: int
    metadata: EpisodeMetadata | None
    warnings: tuple[str, ...] = ()
    longest_gap_s: dict[str, float] | None = None

    @property
    def ok(self) -> bool:
        """No problem found."""
        return not self.problems


def check_episode(folder: Path, *, max_gap_s: float = MAX_GAP_S) -> EpisodeReport:
    """Read everything once and compare it with the contract; raises nothing.

    Checked: the sidecar and its copy in the bag, topics and their types, required messages,
    every message and every image decodes, stamps do not run backwards (images strictly forward),
    a message's header stamp is its log time, known losses, gaps in what comes all the time,
    colour without depth, that all the continuous topics cover the same time, and that the bins
    mean what the metadata says and belong to frames that are in the bag. A missing label and
    single images that seem to be missing are warnings.

    Args:
        folder: of the episode.
        max_gap_s: longest silence of a continuous topic [s of ROS time] that is no problem.
    """
    try:
        metadata = read_sidecar(folder)
        with EpisodeReader(folder) as reader:
            scan = MessageScan(reader)
            scan.run()
            stored_counts = {name: number for name, (_, number) in reader.stored_topics.items()}
            problems = _metadata_problems(folder, metadata, stored_counts)
    except RecordingError as error:
        return EpisodeReport(folder, (str(error),), {}, 0, None)
    problems += scan.problems
    problems += _topic_problems(scan)
    problems += scan.coverage_problems(max_gap_s)
    problems += _action_problems(scan, metadata.spec.id)
    num_colors, pairs = len(scan.frame_stamps[COLOR_TOPIC]), scan.pairs
    warnings = [] if metadata.label != "unknown" else ["not labelled"]
    warnings += [
        f"{topic}: about {number} images seem to be missing between others"
        for topic in (COLOR_TOPIC, DEPTH_TOPIC)
        if (number := scan.num_skipped(topic))
    ]
    unpaired = num_colors - len(pairs)
    if unpaired > _UNPAIRED_ENDS + _MAX_UNPAIRED * num_colors:
        text = f"{unpaired} of {num_colors} colour images have no depth of the same stamp"
        problems.append(f"{DEPTH_TOPIC}: {text}")
    return EpisodeReport(
        folder=folder,
        problems=tuple(problems),
        counts=dict(scan.counts),
        num_pairs=len(pairs),
        metadata=metadata,
        warnings=tuple(warnings),
        longest_gap_s=scan.longest_gap_s(),
    )


def _metadata_problems(
    folder: Path, metadata: EpisodeMetadata, counts: dict[str, int]
) -> list[str]:
    problems = []
    custom = bag_information(folder).get("custom_data") or {}
    if CUSTOM_DATA_KEY not in custom:
        problems.append(f"the bag's custom data lacks {CUSTOM_DATA_KEY!r}")
    elif not is_same_metadata(custom[CUSTOM_DATA_KEY], metadata):
        problems.append("the sidecar differs from the metadata in the bag")
    if metadata.stop_ns is None:
        problems.append("the episode was not closed")
    if {t: n for t, n in metadata.counts.items() if n} != {t: n for t, n in counts.items() if n}:
        problems.append("the bag does not hold as many messages as its metadata says")
    problems += [f"{topic}: {n} messages were lost" for topic, n in metadata.drops.items()]
    problems += [
        f"{topic}: stamps ran backwards {n} times" for topic, n in metadata.backwards.items()
    ]
    return problems


def _topic_problems(scan: MessageScan) -> list[str]:
    problems = []
    for topic in EPISODE_TOPICS.values():
        found = scan.types.get(topic.name)
        if found is None:
            # what may stay away may also be younger than the recording
            if topic.required:
                problems.append(f"{topic.name}: not in the bag")
        elif found != topic.ros_type:
            problems.append(f"{topic.name}: type {found}, expected {topic.ros_type}")
        elif topic.required and not scan.counts[topic.name]:
            problems.append(f"{topic.name}: no message, at least one expected")
    return problems


def _action_problems(scan: MessageScan, spec_id: str) -> list[str]:
    problems = []
    other_ids = {found for _, _, found in scan.actions} - {spec_id}
    if other_ids:
        problems.append(
            f"{ACTION_TOPIC}: action spec {', '.join(sorted(other_ids))}, metadata says {spec_id}"
        )
    lost = sum(source == "policy" and ns not in scan.pairs for ns, source, _ in scan.actions)
    if lost:
        problems.append(
            f"{ACTION_TOPIC}: {lost} actions were computed from a frame that is not in the bag"
        )
    return problems

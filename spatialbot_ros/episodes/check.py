"""Says whether an episode is complete and true to its contract."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_TOPIC,
    CUSTOM_DATA_KEY,
    DEPTH_TOPIC,
    EPISODE_TOPICS,
    EpisodeMetadata,
    TopicRole,
)
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import image_of, stamp_ns_of
from spatialbot_ros.episodes.reader import EpisodeReader


@dataclass(frozen=True, slots=True)
class EpisodeReport:
    """What `check_episode` found.

    Attributes:
        problems: one sentence each; empty when all is well.
        counts: messages per topic as found in the bag.
        num_pairs: colour images whose aligned depth, of the same stamp, is there too.
        metadata: None when unreadable.
    """

    folder: Path
    problems: tuple[str, ...]
    counts: dict[str, int]
    num_pairs: int
    metadata: EpisodeMetadata | None

    @property
    def ok(self) -> bool:
        """No problem found."""
        return not self.problems


def check_episode(folder: Path) -> EpisodeReport:
    """Read everything once and compare it with the contract; raises nothing.

    Checked: the sidecar and its copy in the bag, topics and their types, required messages,
    every message decodes, stamps do not run backwards (images strictly forward), a message's
    header stamp is its log time, known losses, and that the bins mean what the metadata says
    and belong to frames that are in the bag.
    """
    try:
        metadata = read_sidecar(folder)
        with EpisodeReader(folder) as reader:
            scan = _Scan(reader)
            scan.run()
    except RecordingError as error:
        return EpisodeReport(folder, (str(error),), {}, 0, None)
    problems = [*_metadata_problems(folder, metadata, scan.counts), *scan.problems]
    problems += _topic_problems(scan)
    problems += _action_problems(scan, metadata.spec.id)
    return EpisodeReport(
        folder=folder,
        problems=tuple(problems),
        counts=dict(scan.counts),
        num_pairs=len(scan.frame_stamps[COLOR_TOPIC] & scan.frame_stamps[DEPTH_TOPIC]),
        metadata=metadata,
    )


class _Scan:
    """One pass over all messages."""

    def __init__(self, reader: EpisodeReader) -> None:
        self._reader = reader
        self.types = {name: ros_type for name, (ros_type, _) in reader.topics.items()}
        self.counts: Counter[str] = Counter(dict.fromkeys(self.types, 0))
        self.frame_stamps: dict[str, set[int]] = {COLOR_TOPIC: set(), DEPTH_TOPIC: set()}
        self.actions: list[tuple[int, str, str]] = []
        self._last_ns: dict[str, int] = {}
        self._faults: Counter[tuple[str, str]] = Counter()

    @property
    def problems(self) -> list[str]:
        return [f"{topic}: {what} ({n} messages)" for (topic, what), n in self._faults.items()]

    def run(self) -> None:
        for topic, stamp_ns, data in self._reader.raw():
            self.counts[topic] += 1
            if topic not in EPISODE_TOPICS:
                continue
            self._check_order(topic, stamp_ns)
            try:
                message = self._reader.decode(topic, self.types[topic], data)
                self._check_message(topic, stamp_ns, message)
            except RecordingError as error:
                self._faults[topic, str(error)] += 1

    def _check_order(self, topic: str, stamp_ns: int) -> None:
        last_ns = self._last_ns.get(topic)
        self._last_ns[topic] = stamp_ns
        if stamp_ns == last_ns and EPISODE_TOPICS[topic].role is TopicRole.IMAGE:
            self._faults[topic, "two images with one stamp"] += 1

    def _check_message(self, topic: str, stamp_ns: int, message: Any) -> None:
        if EPISODE_TOPICS[topic].has_header and stamp_ns_of(message.header.stamp) != stamp_ns:
            self._faults[topic, "log time is not the header's stamp"] += 1
        if topic in self.frame_stamps:
            image_of(message)
            self.frame_stamps[topic].add(stamp_ns)
        elif topic == ACTION_TOPIC:
            observed_ns = stamp_ns_of(message.observation_stamp)
            self.actions.append((observed_ns, message.source, message.action_spec_id))


def _metadata_problems(folder: Path, metadata: EpisodeMetadata, counts: Counter[str]) -> list[str]:
    problems = []
    bag = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
    custom = bag["rosbag2_bagfile_information"].get("custom_data") or {}
    if CUSTOM_DATA_KEY not in custom:
        problems.append(f"the bag's custom data lacks {CUSTOM_DATA_KEY!r}")
    elif json.loads(custom[CUSTOM_DATA_KEY]) != json.loads(json.dumps(metadata.to_mapping())):
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


def _topic_problems(scan: _Scan) -> list[str]:
    problems = []
    for topic in EPISODE_TOPICS.values():
        found = scan.types.get(topic.name)
        if found is None:
            problems.append(f"{topic.name}: not in the bag")
        elif found != topic.ros_type:
            problems.append(f"{topic.name}: type {found}, expected {topic.ros_type}")
        elif topic.required and not scan.counts[topic.name]:
            problems.append(f"{topic.name}: no message, at least one expected")
    return problems


def _action_problems(scan: _Scan, spec_id: str) -> list[str]:
    problems = []
    other_ids = {found for _, _, found in scan.actions} - {spec_id}
    if other_ids:
        problems.append(
            f"{ACTION_TOPIC}: action spec {', '.join(sorted(other_ids))}, metadata says {spec_id}"
        )
    pairs = scan.frame_stamps[COLOR_TOPIC] & scan.frame_stamps[DEPTH_TOPIC]
    lost = sum(source == "policy" and ns not in pairs for ns, source, _ in scan.actions)
    if lost:
        problems.append(
            f"{ACTION_TOPIC}: {lost} actions were computed from a frame that is not in the bag"
        )
    return problems

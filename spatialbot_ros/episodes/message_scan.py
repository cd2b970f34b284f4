"""One pass over the messages of an episode: what `check_episode` judges."""

from collections import Counter
from typing import Any

import numpy as np

from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EPISODE_TOPICS,
    TopicRole,
)
from spatialbot_model.contracts.episode_images import logical_topic
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.message_fields import image_of, stamp_ns_of
from spatialbot_ros.episodes.reader import EpisodeReader

_FEWEST_FOR_A_RATE = 5


class MessageScan:
    """Everything in here is filled by `run`; topics have their names of the contract.

    Attributes:
        types: topic -> ROS type, compressed images as what they expand to.
        counts: topic -> number of messages.
        frame_stamps: stamps [ns] of the colour and depth images that decode.
        actions: (stamp of the frame [ns], source, id of the action spec) of each action.
    """

    def __init__(self, reader: EpisodeReader) -> None:
        self._reader = reader
        self.types = {name: ros_type for name, (ros_type, _) in reader.topics.items()}
        self.counts: Counter[str] = Counter(dict.fromkeys(self.types, 0))
        self.frame_stamps: dict[str, set[int]] = {COLOR_TOPIC: set(), DEPTH_TOPIC: set()}
        self.actions: list[tuple[int, str, str]] = []
        self._first_ns: dict[str, int] = {}
        self._last_ns: dict[str, int] = {}
        self._longest_ns: dict[str, int] = {}
        self._faults: Counter[tuple[str, str]] = Counter()

    @property
    def problems(self) -> list[str]:
        """Faulty messages, by kind of fault."""
        return [f"{topic}: {what} ({n} messages)" for (topic, what), n in self._faults.items()]

    @property
    def pairs(self) -> set[int]:
        """Stamps [ns] at which there are both colour and depth."""
        return self.frame_stamps[COLOR_TOPIC] & self.frame_stamps[DEPTH_TOPIC]

    def run(self) -> None:
        """Read every message.

        Raises:
            RecordingError: the bag is damaged.
        """
        for name, stamp_ns, data in self._reader.stored():
            topic = logical_topic(name)
            self.counts[topic] += 1
            if topic not in EPISODE_TOPICS:
                continue
            self._check_order(topic, stamp_ns)
            try:
                self._check_message(topic, stamp_ns, self._reader.message(name, data))
            except RecordingError as error:
                self._faults[topic, str(error)] += 1

    def longest_gap_s(self) -> dict[str, float]:
        """Per continuous topic with two messages or more, the longest silence [s]."""
        return {topic: gap_ns / 1e9 for topic, gap_ns in self._longest_ns.items()}

    def num_skipped(self, topic: str) -> int:
        """Images that seem to be missing between others, judged by the median interval."""
        stamps = np.sort(np.fromiter(self.frame_stamps[topic], np.int64))
        if len(stamps) < _FEWEST_FOR_A_RATE:
            return 0
        intervals = np.diff(stamps)
        return int(np.sum(np.rint(intervals / np.median(intervals)).astype(int).clip(1) - 1))

    def coverage_problems(self, max_gap_s: float) -> list[str]:
        """Continuous topics that were silent for longer than `max_gap_s`, within or at the ends."""
        problems = [
            f"{topic}: silent for {gap_s:.2f} s, at most {max_gap_s:g} s expected"
            for topic, gap_s in self.longest_gap_s().items()
            if gap_s > max_gap_s
        ]
        continuous = [t for t in self._first_ns if EPISODE_TOPICS[t].continuous]
        if not continuous:
            return problems
        begin_ns = min(self._first_ns[t] for t in continuous)
        end_ns = max(self._last_ns[t] for t in continuous)
        for topic in continuous:
            late_s = (self._first_ns[topic] - begin_ns) / 1e9
            early_s = (end_ns - self._last_ns[topic]) / 1e9
            if late_s > max_gap_s:
                problems.append(f"{topic}: begins {late_s:.2f} s after the others")
            if early_s > max_gap_s:
                problems.append(f"{topic}: ends {early_s:.2f} s before the others")
        return problems

    def _check_order(self, topic: str, stamp_ns: int) -> None:
        self._first_ns.setdefault(topic, stamp_ns)
        last_ns = self._last_ns.get(topic)
        self._last_ns[topic] = stamp_ns
        if last_ns is None:
            return
        if stamp_ns == last_ns and EPISODE_TOPICS[topic].role is TopicRole.IMAGE:
            self._faults[topic, "two images with one stamp"] += 1
        if EPISODE_TOPICS[topic].continuous:
            self._longest_ns[topic] = max(self._longest_ns.get(topic, 0), stamp_ns - last_ns)

    def _check_message(self, topic: str, stamp_ns: int, message: Any) -> None:
        if EPISODE_TOPICS[topic].has_header and stamp_ns_of(message.header.stamp) != stamp_ns:
            self._faults[topic, "log time is not the header's stamp"] += 1
        if topic in self.frame_stamps:
            image_of(message)
            self.frame_stamps[topic].add(stamp_ns)
        elif topic == ACTION_TOPIC:
            observed_ns = stamp_ns_of(message.observation_stamp)
            self.actions.append((observed_ns, message.source, message.action_spec_id))

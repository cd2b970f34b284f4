"""Publishes the messages of a recorded episode again, in their time."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import rclpy
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock

from spatialbot_model.contracts.episode import EPISODE_TOPICS, TopicRole
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.nodes.conversions import ns_to_stamp
from spatialbot_ros.nodes.episode_types import EPISODE_TYPES
from spatialbot_ros.nodes.qos import LATCHED

_DEPTH = 10


def replay_topics(
    folder: Path,
    stop: threading.Event,
    *,
    rate: float = 1.0,
    loop: bool = False,
    clock: bool = False,
    topics: Sequence[str] = (),
    on_start: Callable[[int], None] = lambda _: None,
) -> int:
    """Publish an episode's messages as they were recorded.

    Compressed images are published raw, on the topic that they were recorded from. Stamps inside
    the messages stay as they are; with `clock`, /clock follows them, so that listeners with
    ``use_sim_time`` take old messages for new ones.

    Args:
        stop: ends it between two messages.
        rate: 2.0 = twice as fast.
        loop: begin again at the end; stamps and /clock jump back then.
        clock: publish /clock.
        topics: only these; all when empty.
        on_start: called with the number of each round, from 0.

    Returns:
        Number of messages published.

    Raises:
        ConfigurationError: a rate that is not above 0; `UnknownNameError`: an episode without
            such a topic.
        RecordingError: the episode cannot be read.
    """
    if not rate > 0.0:
        raise ConfigurationError(f"the rate is {rate}, expected a number above 0")
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("episode_replay", context=context)
    try:
        with EpisodeReader(folder) as reader:
            known = {name: kind for name, (kind, _) in reader.topics.items()}
            for name in topics:
                if name not in known:
                    raise UnknownNameError("topic", name, known)
            wanted = [name for name in known if not topics or name in topics]
            publishers: dict[str, Publisher[object]] = {
                name: node.create_publisher(
                    EPISODE_TYPES[known[name]],
                    name,
                    LATCHED if _is_static(name) else QoSProfile(depth=_DEPTH),
                )
                for name in wanted
                if known[name] in EPISODE_TYPES
            }
            clock_publisher = node.create_publisher(Clock, "/clock", 10) if clock else None
            num_published = rounds = 0
            while not stop.is_set() and (loop or rounds == 0):
                on_start(rounds)
                num_published += _one_round(reader, publishers, clock_publisher, rate, stop)
                rounds += 1
        return num_published
    finally:
        node.destroy_node()
        context.try_shutdown()


def _one_round(
    reader: EpisodeReader,
    publishers: dict[str, "Publisher[object]"],
    clock: "Publisher[Clock] | None",
    rate: float,
    stop: threading.Event,
) -> int:
    first_ns: int | None = None
    started_s = time.monotonic()
    num_published = 0
    for topic, stamp_ns, data in reader.raw(*publishers):
        # what is latched holds from the beginning, whenever it was received
        if first_ns is None and not _is_static(topic):
            first_ns, started_s = stamp_ns, time.monotonic()
        if first_ns is not None:
            due_s = started_s + (stamp_ns - first_ns) * 1e-9 / rate
            stop.wait(max(due_s - time.monotonic(), 0.0))
        if stop.is_set():
            break
        if clock is not None and first_ns is not None:
            clock.publish(Clock(clock=ns_to_stamp(stamp_ns)))
        publishers[topic].publish(data)
        num_published += 1
    return num_published


def _is_static(topic: str) -> bool:
    return topic in EPISODE_TOPICS and EPISODE_TOPICS[topic].role is TopicRole.STATIC

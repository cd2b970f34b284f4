"""A recorded episode is published again: the same bytes, in order, on the same topics."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from synthetic_episode import stamp_of, write_episode

from spatialbot_model.contracts.episode import (
    ACTION_TOPIC,
    COLOR_TOPIC,
    DEPTH_TOPIC,
    STATIC_TF_TOPIC,
)
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.episode_types import EPISODE_TYPES
from spatialbot_ros.nodes.qos import LATCHED
from spatialbot_ros.nodes.replay import replay_topics

TIMEOUT_S = 30.0
NUM_STEPS = 5


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("episodes") / "one"
    write_episode(folder, NUM_STEPS)
    return folder


class Listener:
    """Keeps the bytes of what comes on some topics."""

    def __init__(self, episode: Path, topics: list[str]) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.clock_ns: list[int] = []
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node("listener", context=self._context)
        with EpisodeReader(episode) as reader:
            types = {name: kind for name, (kind, _) in reader.topics.items()}
        for topic in topics:
            qos = LATCHED if topic == STATIC_TF_TOPIC else QoSProfile(depth=100)
            self.node.create_subscription(
                EPISODE_TYPES[types[topic]], topic, self._keep(topic), qos, raw=True
            )
        self.node.create_subscription(
            Clock, "/clock", lambda m: self.clock_ns.append(stamp_to_ns(m.clock)), 100
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _keep(self, topic: str) -> Callable[[Any], None]:
        return lambda data: self.heard.append((topic, bytes(data)))

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def close(self) -> None:
        self._context.try_shutdown()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def listen(episode: Path) -> Iterator[Callable[[list[str]], Listener]]:
    listeners: list[Listener] = []

    def make(topics: list[str]) -> Listener:
        listeners.append(Listener(episode, topics))
        return listeners[-1]

    yield make
    for listener in listeners:
        listener.close()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.01)


def recorded(episode: Path, *topics: str) -> list[tuple[str, bytes]]:
    with EpisodeReader(episode) as reader:
        return [(topic, bytes(data)) for topic, _, data in reader.raw(*topics)]


def test_bytes_come_back_in_order_and_the_clock_follows(
    episode: Path, listen: Callable[[list[str]], Listener]
) -> None:
    topics = [COLOR_TOPIC, DEPTH_TOPIC, ACTION_TOPIC, STATIC_TF_TOPIC]
    listener = listen(topics)
    stop = threading.Event()
    # whoever listens must be met before the messages pass: loop until all was heard
    thread = threading.Thread(
        target=replay_topics, args=(episode, stop), kwargs={"loop": True, "clock": True}
    )
    thread.start()
    expected = recorded(episode, COLOR_TOPIC, DEPTH_TOPIC, ACTION_TOPIC)
    try:
        wait_for(lambda: len(listener.heard) > 2 * len(expected) + 2)
        wait_for(lambda: stamp_of(NUM_STEPS - 1) in listener.clock_ns)
    finally:
        stop.set()
        thread.join(TIMEOUT_S)
    assert not thread.is_alive()
    for topic in (COLOR_TOPIC, DEPTH_TOPIC, ACTION_TOPIC):
        heard = [data for name, data in listener.heard if name == topic]
        wanted = [data for name, data in expected if name == topic]
        begin = heard.index(wanted[0])
        assert heard[begin : begin + len(wanted)] == wanted
    assert any(name == STATIC_TF_TOPIC for name, _ in listener.heard)
    with EpisodeReader(episode) as reader:
        assert set(listener.clock_ns) <= {stamp_ns for _, stamp_ns, _ in reader.raw()}


def test_only_the_topics_asked_for(episode: Path) -> None:
    started: list[int] = []
    count = replay_topics(
        episode, threading.Event(), rate=100.0, topics=[ACTION_TOPIC], on_start=started.append
    )
    assert count == len(recorded(episode, ACTION_TOPIC)) and started == [0]


def test_bad_wishes_are_refused(episode: Path) -> None:
    with pytest.raises(UnknownNameError, match="/camera/camera/color/image_raw"):
        replay_topics(episode, threading.Event(), topics=["/nothing"])
    with pytest.raises(ConfigurationError, match="above 0"):
        replay_topics(episode, threading.Event(), rate=0.0)

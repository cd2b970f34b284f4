"""The camera node as a process of its own, and a node that listens to it."""

import queue
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

TIMEOUT_S = 60.0


class CameraProcess:
    """`camera_node` with its standard error read line by line."""

    def __init__(self, prefix: Sequence[str] = (), **parameters: Any) -> None:
        parameters = {"camera": "simulated", **parameters}
        arguments = [part for k, v in parameters.items() for part in ("-p", f"{k}:={v}")]
        self.process = subprocess.Popen(
            [
                *prefix,
                sys.executable,
                "-m",
                "spatialbot_ros.nodes.camera",
                "--ros-args",
                *arguments,
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.put(line)

    def wait_for_line(self, *words: str) -> str:
        """The next line that holds all words."""
        while True:
            line = self.lines.get(timeout=TIMEOUT_S)
            if all(word in line for word in words):
                return line

    def child(self) -> int:
        """Process id of the node where `prefix` is a program that starts it."""
        pid = self.process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(TIMEOUT_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(TIMEOUT_S)
            finally:
                self.process.kill()
        self.process.stderr.close()


class Listener:
    """A node that keeps what it receives, by topic."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = Node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received: dict[str, list[Any]] = defaultdict(list)

    def listen(self, message_type: type, topic: str) -> list[Any]:
        kept = self.received[topic]
        self.node.create_subscription(message_type, topic, kept.append, 10)
        return kept

    def until(self, condition: Callable[[], bool]) -> None:
        clock = self.node.get_clock()
        deadline = clock.now().nanoseconds + int(TIMEOUT_S * 1e9)
        while not condition():
            assert clock.now().nanoseconds < deadline, "the condition did not come true in time"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture(name="listener")
def listener_fixture() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture(name="start")
def start_fixture() -> Iterator[Callable[..., CameraProcess]]:
    processes: list[CameraProcess] = []

    def start_process(**parameters: Any) -> CameraProcess:
        processes.append(CameraProcess(**parameters))
        return processes[-1]

    yield start_process
    for process in processes:
        process.close()

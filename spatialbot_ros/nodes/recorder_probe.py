"""The load of `spatialbot bench recorder`: cameras and a robot for the recorder node to record.

Runs in a process of its own: publishes what an episode holds, starts and stops one, and answers
with one JSON line on stdout. Images are serialised once and only their stamps change, so that
this process costs the measured one as little as it can.
"""

import argparse
import json
import struct
import sys
import time
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo
from spatialbot_msgs.srv import StartEpisode, StopEpisode

from spatialbot_model.contracts.episode import (
    COLOR_TOPIC,
    DEPTH_TOPIC,
    EPISODE_TOPICS,
    TopicRole,
)
from spatialbot_model.contracts.types import COLOR_OPTICAL_FRAME
from spatialbot_ros.nodes.camera_publishers import IMAGE_QOS
from spatialbot_ros.nodes.conversions import transform_to_msg
from spatialbot_ros.nodes.episode_types import EPISODE_TYPES
from spatialbot_ros.nodes.images import image_to_msg
from spatialbot_ros.nodes.static_transforms import StaticTransformPublisher

RCLError = rclpy_implementation.RCLError
_TIMEOUT_S = 30.0
_NUM_PICTURES = 4
_STAMP = struct.Struct("<iI")
_STAMP_AT = 4


class Load:
    """Publishers of every continuous topic of an episode."""

    def __init__(self, node: Node) -> None:
        self.num_refused = 0
        frame = COLOR_OPTICAL_FRAME
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 256, (_NUM_PICTURES, 12, 16, 3), np.uint8)
        # as smooth as a camera's, for the sake of compression
        colors = [cv2.resize(c, (640, 480), interpolation=cv2.INTER_CUBIC) for c in coarse]
        depths = [(700 + 2 * c[:, :, 0].astype(np.uint16)) for c in colors]
        pictures = {
            COLOR_TOPIC: [image_to_msg(c, "rgb8", frame, 0) for c in colors],
            DEPTH_TOPIC: [image_to_msg(d, "16UC1", frame, 0) for d in depths],
        }
        self._static = StaticTransformPublisher(node)
        self._static.send([transform_to_msg(np.eye(4), "base", frame, 0)])
        self._messages: list[tuple[Any, list[bytearray]]] = []
        for topic in EPISODE_TOPICS.values():
            if not topic.continuous:
                continue
            kind = EPISODE_TYPES[topic.ros_type]
            is_image = topic.role is TopicRole.IMAGE
            publisher = node.create_publisher(
                kind, topic.name, IMAGE_QOS if is_image else QoSProfile(depth=100)
            )
            empty = [CameraInfo(width=640, height=480) if kind is CameraInfo else kind()]
            messages = pictures.get(topic.name, empty)
            data = [bytearray(serialize_message(message)) for message in messages]
            self._messages.append((publisher, data))

    def publish(self, index: int) -> int:
        """Everything once; returns the stamp [ns]."""
        stamp_ns = time.time_ns()
        stamp = _STAMP.pack(stamp_ns // 10**9, stamp_ns % 10**9)
        for publisher, messages in self._messages:
            data = messages[index % len(messages)]
            data[_STAMP_AT : _STAMP_AT + _STAMP.size] = stamp
            try:
                publisher.publish(bytes(data))
            except RCLError:
                # the middleware gave up waiting for a reader that is behind: it counts as missing
                self.num_refused += 1
        return stamp_ns

    def wait_sent(self) -> None:
        """Until the recorder's side has everything."""
        for publisher, _ in self._messages:
            publisher.wait_for_all_acked()


def record(num_frames: int, rate_hz: float) -> dict[str, object]:
    """One episode of `num_frames` RGB-D frames, paced at `rate_hz`."""
    node = Node("recorder_probe")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    start = node.create_client(StartEpisode, "/spatialbot/episode/start")
    stop = node.create_client(StopEpisode, "/spatialbot/episode/stop")
    if not (start.wait_for_service(_TIMEOUT_S) and stop.wait_for_service(_TIMEOUT_S)):
        return {"error": f"no recorder within {_TIMEOUT_S:g} s"}
    load = Load(node)
    request = StartEpisode.Request(task="benchmark", instruction="record", seed=-1)
    started = _wait(executor, start.call_async(request), lambda: load.publish(0), 1.0 / rate_hz)
    if not started.success:
        return {"error": started.message}
    begin_s = time.monotonic()
    stamps = []
    for index in range(num_frames):
        time.sleep(max(0.0, begin_s + index / rate_hz - time.monotonic()))
        stamps.append(load.publish(index))
    seconds = time.monotonic() - begin_s
    load.wait_sent()
    stopped = _wait(executor, stop.call_async(StopEpisode.Request(label="unknown")))
    if not stopped.success:
        return {"error": stopped.message}
    return {
        "path": stopped.path,
        "first_ns": stamps[0],
        "sent": len(stamps),
        "refused": load.num_refused,
        "seconds": seconds,
    }


def _wait(
    executor: SingleThreadedExecutor,
    future: "Future[Any]",
    meanwhile: Any = None,
    period_s: float = 0.05,
) -> Any:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not future.done():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the recorder did not answer within {_TIMEOUT_S:g} s")
        executor.spin_once(timeout_sec=period_s)
        if meanwhile is not None:
            meanwhile()
    return future.result()


def main(args: Sequence[str] | None = None) -> None:
    """Record one episode; see `spatialbot_ros.benchmarks.recorder`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--rate-hz", type=float, required=True)
    options = parser.parse_args(args)
    rclpy.init(args=[])
    try:
        answer = record(options.frames, options.rate_hz)
    except (KeyboardInterrupt, ExternalShutdownException):
        answer = {"error": "interrupted"}
    except TimeoutError as error:
        answer = {"error": str(error)}
    finally:
        rclpy.try_shutdown()
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

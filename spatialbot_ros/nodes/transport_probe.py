"""The two ends of `spatialbot bench transport`: a camera-like publisher and its listener.

Each runs in a process of its own and answers with one JSON line on stdout. Stamps are the
monotonic clock, which all processes of a machine share.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Sequence

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

from spatialbot_ros.nodes.camera_publishers import IMAGE_QOS
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_ros.nodes.images import image_to_msg

TOPICS = {
    "/spatialbot/bench/color": ("rgb8", np.zeros((480, 640, 3), np.uint8)),
    "/spatialbot/bench/depth": ("16UC1", np.zeros((480, 640), np.uint16)),
}
NUM_WARM_UP = 15
_MATCH_TIMEOUT_S = 20.0
_DRAIN_S = 0.5


def publish(num_frames: int, rate_hz: float) -> dict[str, object]:
    """Publish warm-up frames (negative numbers), then `num_frames` pairs at `rate_hz`.

    Waits for a listener first.
    """
    node = Node("transport_probe_publisher")
    publishers = {topic: node.create_publisher(Image, topic, IMAGE_QOS) for topic in TOPICS}
    deadline_s = time.monotonic() + _MATCH_TIMEOUT_S
    while any(publisher.get_subscription_count() == 0 for publisher in publishers.values()):
        if time.monotonic() > deadline_s:
            return {"error": f"no listener within {_MATCH_TIMEOUT_S:g} s"}
        time.sleep(0.05)
    start_s = time.monotonic()
    for index in range(-NUM_WARM_UP, num_frames):
        time.sleep(max(0.0, start_s + (index + NUM_WARM_UP) / rate_hz - time.monotonic()))
        for topic, publisher in publishers.items():
            encoding, pixels = TOPICS[topic]
            message = image_to_msg(pixels, encoding, str(index), time.monotonic_ns())
            publisher.publish(message)
    time.sleep(_DRAIN_S)
    node.destroy_node()
    return {"sent": num_frames * len(TOPICS)}


def listen(num_frames: int) -> dict[str, object]:
    """Collect latencies [ms] until all frames came or stdin is closed."""
    node = Node("transport_probe_listener")
    latencies_ms: list[float] = []
    done = threading.Event()

    def on_image(message: Image) -> None:
        latency_ms = 1e-6 * (time.monotonic_ns() - stamp_to_ns(message.header.stamp))
        if int(message.header.frame_id) >= 0:
            latencies_ms.append(latency_ms)
        if len(latencies_ms) == num_frames * len(TOPICS):
            done.set()

    for topic in TOPICS:
        node.create_subscription(Image, topic, on_image, QoSProfile(depth=10))
    threading.Thread(target=_set_at_end_of_input, args=(done,), daemon=True).start()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    while not done.is_set():
        executor.spin_once(timeout_sec=0.1)
    executor.shutdown()
    node.destroy_node()
    return {"latencies_ms": latencies_ms}


def _set_at_end_of_input(done: threading.Event) -> None:
    sys.stdin.read()
    done.set()


def main(args: Sequence[str] | None = None) -> None:
    """Run one end; see `spatialbot_ros.benchmarks.transport`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("end", choices=("publish", "listen"))
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--rate-hz", type=float, default=15.0)
    options = parser.parse_args(args)
    rclpy.init(args=[])
    try:
        answer = (
            publish(options.frames, options.rate_hz)
            if options.end == "publish"
            else listen(options.frames)
        )
    except (KeyboardInterrupt, ExternalShutdownException):
        answer = {"error": "interrupted"}
    finally:
        rclpy.try_shutdown()
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()

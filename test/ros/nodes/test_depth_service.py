"""`/depth_query` end to end: the node as its own process, images and questions over DDS."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from spatialbot_msgs.srv import DepthQuery

from spatialbot_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from spatialbot_ros.nodes.depth_service import DEPTH_TOPIC, SERVICE
from spatialbot_ros.nodes.images import image_to_msg

DOMAIN_ID = os.environ.get("ROS_DOMAIN_ID", "31")
ASK_AGAIN_S = 2.0
TIMEOUT_S = 60.0
HISTORY_LENGTH = 3
FIRST_NS = 1_000_000_000


class Diagnostics:
    """Collects what the depth services say on /diagnostics."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self._executor = executor
        self._statuses: list[DiagnosticStatus] = []
        node.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self._statuses.extend(m.status), 10
        )

    def wait_for(self, level: bytes, text: str) -> dict[str, str]:
        """Values of the next status of this level whose message holds the text."""
        self._statuses.clear()
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            self._executor.spin_once(timeout_sec=1.0)
            for status in self._statuses:
                if status.level == level and text in status.message:
                    assert status.name == "depth_service: images"
                    return {value.key: value.value for value in status.values}
        raise AssertionError(f"no such status came, only {self._statuses}")


class Caller:
    """Publishes depth images to one depth service process and asks it."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor, suffix: str) -> None:
        self._executor = executor
        self._publisher = node.create_publisher(
            Image, DEPTH_TOPIC + suffix, qos_profile_sensor_data
        )
        self._client = node.create_client(DepthQuery, SERVICE + suffix)
        assert self._client.wait_for_service(TIMEOUT_S), f"{SERVICE}{suffix} did not appear"

    def ask(self, stamp_ns: int = 0, **fields: object) -> DepthQuery.Response:
        """Asks again until it is answered: a service that does not know its caller yet is mute."""
        request = DepthQuery.Request(stamp=ns_to_stamp(stamp_ns), **fields)
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            future = self._client.call_async(request)
            self._executor.spin_until_future_complete(future, ASK_AGAIN_S)
            if future.done():
                return future.result()
        raise AssertionError(f"{SERVICE} did not answer")

    def publish(self, message: Image) -> None:
        self._publisher.publish(message)

    def publish_until_held(self, stamp_ns: int, depth_mm: np.ndarray) -> None:
        """Sensor data is best effort and discovery takes its time: until the node has it."""
        message = image_to_msg(depth_mm, "16UC1", "camera_color_optical_frame", stamp_ns)
        deadline_s = time.monotonic() + TIMEOUT_S
        while not self.ask(stamp_ns, x=[0.0], y=[0.0]).success:
            assert time.monotonic() < deadline_s, "the node never received the image"
            self.publish(message)


@pytest.fixture(scope="module")
def ros() -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    context = rclpy.Context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", DOMAIN_ID)
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        rclpy.init(args=[], context=context)
        node = rclpy.create_node("depth_caller", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            yield node, executor
        finally:
            executor.shutdown()
            node.destroy_node()
            context.try_shutdown()


@contextmanager
def depth_service(suffix: str) -> Iterator["subprocess.Popen[bytes]"]:
    """The node as a process of its own; the suffix keeps its topic and service apart."""
    remaps = [f"{name}:={name}{suffix}" for name in (DEPTH_TOPIC, SERVICE)]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "spatialbot_ros.nodes.depth_service", "--ros-args"),
            *("-p", f"history_length:={HISTORY_LENGTH}"),
            *(argument for remap in remaps for argument in ("-r", remap)),
        ]
    )
    try:
        yield process
    finally:
        # a killed node would leave its shared memory behind
        process.terminate()
        try:
            process.wait(TIMEOUT_S)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def caller(ros: tuple[Node, SingleThreadedExecutor]) -> Iterator[Caller]:
    with depth_service("_shared"):
        yield Caller(*ros, "_shared")


@pytest.fixture(scope="module")
def frames(caller: Caller) -> dict[int, np.ndarray]:
    """More images than the ring holds; stamp -> (6, 8) uint16 mm. The first one falls out."""
    before = caller.ask(x=[0.5], y=[0.5])
    assert not before.success
    assert "camera node" in before.message
    images = {}
    for i in range(HISTORY_LENGTH + 1):
        depth_mm = (np.arange(48, dtype=np.uint16) + 1).reshape(6, 8) + np.uint16(1000 * i)
        depth_mm[:, 5:] = 0
        depth_mm[5, 7] = 40000 + i
        images[FIRST_NS + i * 66_666_667] = depth_mm
    for stamp_ns, depth_mm in images.items():
        caller.publish_until_held(stamp_ns, depth_mm)
    return images


def test_points_of_every_held_frame_are_its_pixels(
    caller: Caller, frames: dict[int, np.ndarray]
) -> None:
    for stamp_ns in list(frames)[1:]:
        depth_mm = frames[stamp_ns]
        x, y = [0.0, 0.3, 4.5 / 8, 1.0], [0.0, 0.99, 0.5, 1.0]
        response = caller.ask(stamp_ns, x=x, y=y)
        assert response.success, response.message
        assert response.message == ""
        assert stamp_to_ns(response.stamp) == stamp_ns
        assert list(response.valid) == [True] * 4
        expected = [depth_mm[0, 0], depth_mm[5, 2], depth_mm[3, 4], depth_mm[5, 7]]
        assert list(response.depth) == expected


def test_stamp_zero_is_the_newest_frame(caller: Caller, frames: dict[int, np.ndarray]) -> None:
    newest_ns = max(frames)
    response = caller.ask(x=[0.0], y=[0.0])
    assert response.success
    assert stamp_to_ns(response.stamp) == newest_ns
    assert list(response.depth) == [frames[newest_ns][0, 0]]


def test_pixels_without_return_answer_from_their_neighbours_or_are_invalid(
    caller: Caller, frames: dict[int, np.ndarray]
) -> None:
    depth_mm = frames[max(frames)]
    response = caller.ask(x=[5.5 / 8, 7.5 / 8], y=[0.0, 0.0])
    assert response.success
    assert list(response.valid) == [True, False]
    neighbours = np.sort(depth_mm[0:3, 3:5].ravel())
    assert list(response.depth) == [neighbours[2], 0]


def test_a_region_answers_with_object_depth(caller: Caller, frames: dict[int, np.ndarray]) -> None:
    box = {"use_region": True, "x_min": 0.0, "y_min": 0.0, "x_max": 0.99, "y_max": 0.8}
    valid = frames[max(frames)][:5, :5]
    response = caller.ask(**box)
    assert response.success, response.message
    assert response.region_valid
    assert len(response.depth) == 0
    assert response.center == frames[max(frames)][2, 3]
    assert response.min == round(np.percentile(valid, 5))
    assert response.max == round(np.percentile(valid, 95))
    assert response.mean == pytest.approx(valid.mean())
    assert 0 < valid.min() < response.min < response.max < valid.max()


def test_a_region_without_return_is_a_success_that_is_not_valid(
    caller: Caller, frames: dict[int, np.ndarray]
) -> None:
    response = caller.ask(
        x=[0.0], y=[0.0], use_region=True, x_min=0.7, y_min=0.0, x_max=1.0, y_max=0.3
    )
    assert response.success
    assert not response.region_valid
    assert (response.center, response.min, response.max, response.mean) == (0, 0, 0, 0.0)
    assert list(response.depth) == [frames[max(frames)][0, 0]]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"x": [1.2], "y": [0.5]}, "outside the image"),
        ({"x": [0.5, 0.5], "y": [0.5, -0.1]}, "outside the image"),
        ({"x": [float("nan")], "y": [0.5]}, "outside the image"),
        ({"x": [0.5, 0.6], "y": [0.5]}, "2 x and 1 y"),
        ({}, "nothing was asked"),
        ({"use_region": True, "x_min": 0.9, "x_max": 0.1, "y_max": 1.0}, "empty"),
        ({"use_region": True, "x_max": 1.1, "y_max": 1.0}, "outside the image"),
        ({"x": [0.5], "y": [0.5], "stamp_ns": FIRST_NS + 1}, "is held; held are"),
    ],
)
def test_bad_questions_are_answered_with_what_was_wrong(
    caller: Caller, frames: dict[int, np.ndarray], question: dict[str, object], message: str
) -> None:
    response = caller.ask(**question)
    assert not response.success
    assert message in response.message
    assert len(response.depth) == len(response.valid) == 0
    assert caller.ask(x=[0.0], y=[0.0]).success


def test_an_unknown_stamp_names_the_stamps_held(
    caller: Caller, frames: dict[int, np.ndarray]
) -> None:
    fallen_out, *held = frames
    response = caller.ask(fallen_out, x=[0.5], y=[0.5])
    assert not response.success
    assert str(fallen_out) in response.message
    for stamp_ns in held:
        assert str(stamp_ns) in response.message


def test_images_that_are_no_depth_are_ignored_and_the_node_lives_on_and_ends(
    ros: tuple[Node, SingleThreadedExecutor],
) -> None:
    with depth_service("_own") as process:
        caller = Caller(*ros, "_own")
        diagnostics = Diagnostics(*ros)
        assert diagnostics.wait_for(DiagnosticStatus.WARN, "no image on")["images held"] == "0"
        caller.publish_until_held(FIRST_NS, np.full((6, 8), 66, np.uint16))
        wrong_ns, after_ns = FIRST_NS + 10, FIRST_NS + 20
        color = image_to_msg(np.zeros((6, 8, 3), np.uint8), "rgb8", "camera", wrong_ns)
        metres = image_to_msg(np.ones((6, 8), np.float32), "32FC1", "camera", wrong_ns)
        cut = image_to_msg(np.ones((6, 8), np.uint16), "16UC1", "camera", wrong_ns)
        cut.data = cut.data[:10]
        empty = Image(encoding="16UC1")
        for message in (color, metres, cut, empty):
            caller.publish(message)
        # one publisher is one ordered stream: once this one is held, the others were looked at
        trouble = diagnostics.wait_for(DiagnosticStatus.WARN, "ignoring")
        assert trouble["images held"] == "1"
        assert int(trouble["ignored images"]) >= 1
        refused = caller.ask(wrong_ns, x=[0.5], y=[0.5])
        assert "ignoring" in refused.message
        caller.publish_until_held(after_ns, np.full((6, 8), 77, np.uint16))
        assert not caller.ask(wrong_ns, x=[0.5], y=[0.5]).success
        assert list(caller.ask(after_ns, x=[0.5], y=[0.5]).depth) == [77]
        assert list(caller.ask(FIRST_NS, x=[0.5], y=[0.5]).depth) == [66]
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 0


def test_an_impossible_parameter_is_one_clear_line_and_exit_code_1() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "spatialbot_ros.nodes.depth_service"),
            *("--ros-args", "-p", "history_length:=0"),
        ],
        env={**os.environ, "ROS_DOMAIN_ID": DOMAIN_ID},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 1
    assert "history_length" in done.stderr
    assert "Traceback" not in done.stderr

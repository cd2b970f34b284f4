"""Only what somebody subscribed to is published; frames, encodings and calibration are right."""

import os
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import rclpy
from frame_server_double import COLOR, DEPTH, PERIOD_NS
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo as CameraInfoMsg
from sensor_msgs.msg import Image, PointCloud2

from spatialbot_model.contracts.depth_codec import encode_depth
from spatialbot_model.contracts.transforms import compose
from spatialbot_ros.nodes.camera_parameters import CameraParameters
from spatialbot_ros.nodes.camera_publishers import CameraPublishers
from spatialbot_ros.nodes.conversions import msg_to_intrinsics, stamp_to_ns
from spatialbot_ros.nodes.images import msg_to_image
from spatialbot_ros.ports import CameraFrameset, CameraInfo

DOMAIN_ID = int(os.environ.get("ROS_DOMAIN_ID", "34"))
NAMESPACE = "/publishers_test"
INFO = CameraInfo("double", "1", "0", COLOR, DEPTH, compose(np.eye(3), [0.015, 0.0, 0.0]), 15.0)
RNG = np.random.default_rng(0)
FRAMESET = CameraFrameset(
    stamp_ns=PERIOD_NS,
    frame_number=1,
    color=RNG.integers(0, 256, (480, 640, 3), dtype=np.uint8),
    depth_mm=RNG.integers(0, 3000, (480, 640), dtype=np.uint16),
    aligned_depth_mm=RNG.integers(0, 3000, (480, 640), dtype=np.uint16),
)


class Graph:
    """A camera node's publishers and a listener, in two nodes of one process."""

    def __init__(self) -> None:
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN_ID)
        self.camera = Node("camera", namespace=NAMESPACE, context=self.context)
        self.listener = Node("listener", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.listener)
        self.received: list[object] = []

    def listen(self, message_type: type, topic: str) -> None:
        topic = f"{NAMESPACE}/camera/{topic}"
        self.listener.create_subscription(message_type, topic, self.received.append, 10)
        self.until(
            lambda: (
                self.camera.count_subscribers(topic) == 1
                and self.listener.count_publishers(topic) == 1
            )
        )

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(200):
            if condition():
                return
            self.executor.spin_once(timeout_sec=0.05)
        pytest.fail("the condition did not come true within 10 s")

    def receive(self, publishers: CameraPublishers, published: int) -> object:
        """Publish until the listener has a message: discovery may lag behind the counters."""

        def arrived() -> bool:
            assert publishers.publish(FRAMESET, INFO) in (0, published)
            self.executor.spin_once(timeout_sec=0.05)
            return bool(self.received)

        self.until(arrived)
        return self.received[0]

    def close(self) -> None:
        self.executor.shutdown()
        self.camera.destroy_node()
        self.listener.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


def test_nothing_is_published_or_aligned_while_nobody_listens(graph: Graph) -> None:
    publishers = CameraPublishers(graph.camera, CameraParameters(pointcloud=True))
    assert not publishers.wants_aligned_depth()
    assert publishers.publish(FRAMESET, INFO) == 0


@pytest.mark.parametrize(
    ("topic", "encoding", "frame_id", "expected", "needs_alignment"),
    [
        ("color/image_raw", "rgb8", "camera_color_optical_frame", FRAMESET.color, False),
        ("depth/image_rect_raw", "16UC1", "camera_depth_optical_frame", FRAMESET.depth_mm, False),
        (
            "aligned_depth_to_color/image_raw",
            "16UC1",
            "camera_color_optical_frame",
            FRAMESET.aligned_depth_mm,
            True,
        ),
        (
            "depth_encoded/image_raw",
            "rgb8",
            "camera_color_optical_frame",
            encode_depth(FRAMESET.aligned_depth_mm, "paper"),
            True,
        ),
    ],
)
def test_one_image_topic(
    graph: Graph, topic: str, encoding: str, frame_id: str, expected, needs_alignment: bool
) -> None:
    publishers = CameraPublishers(graph.camera, CameraParameters(depth_encoding="paper"))
    graph.listen(Image, topic)
    message = graph.receive(publishers, published=1)
    assert publishers.wants_aligned_depth() == needs_alignment
    assert (message.encoding, message.header.frame_id) == (encoding, frame_id)
    assert stamp_to_ns(message.header.stamp) == PERIOD_NS
    np.testing.assert_array_equal(msg_to_image(message), expected)


@pytest.mark.parametrize(
    ("topic", "frame_id", "intrinsics"),
    [
        ("color/camera_info", "camera_color_optical_frame", COLOR),
        ("depth/camera_info", "camera_depth_optical_frame", DEPTH),
        ("aligned_depth_to_color/camera_info", "camera_color_optical_frame", COLOR),
    ],
)
def test_one_camera_info(graph: Graph, topic: str, frame_id: str, intrinsics) -> None:
    publishers = CameraPublishers(graph.camera, CameraParameters())
    graph.listen(CameraInfoMsg, topic)
    message = graph.receive(publishers, published=1)
    assert not publishers.wants_aligned_depth()
    assert message.header.frame_id == frame_id
    assert stamp_to_ns(message.header.stamp) == PERIOD_NS
    assert msg_to_intrinsics(message) == intrinsics
    assert message.distortion_model == "plumb_bob"
    assert list(message.r) == np.eye(3).ravel().tolist()
    assert list(message.p)[3::4] == [0.0, 0.0, 0.0]


def test_the_point_cloud_is_published_only_when_enabled(graph: Graph) -> None:
    CameraPublishers(graph.camera, CameraParameters())
    assert graph.camera.count_publishers(f"{NAMESPACE}/camera/depth/color/points") == 0
    publishers = CameraPublishers(graph.camera, CameraParameters(pointcloud=True))
    graph.listen(PointCloud2, "depth/color/points")
    message = graph.receive(publishers, published=1)
    assert publishers.wants_aligned_depth()
    assert message.header.frame_id == "camera_depth_optical_frame"
    assert message.width == np.count_nonzero(FRAMESET.aligned_depth_mm)


def test_without_alignment_the_encoded_depth_is_the_sensors(graph: Graph) -> None:
    publishers = CameraPublishers(graph.camera, CameraParameters(align_depth=False))
    topic = f"{NAMESPACE}/camera/aligned_depth_to_color/image_raw"
    assert graph.camera.count_publishers(topic) == 0
    graph.listen(Image, "depth_encoded/image_raw")
    message = graph.receive(publishers, published=1)
    assert not publishers.wants_aligned_depth()
    assert message.header.frame_id == "camera_depth_optical_frame"
    np.testing.assert_array_equal(msg_to_image(message), encode_depth(FRAMESET.depth_mm))

"""The camera node as a process of its own, over real DDS, against a doubled simulator."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from camera_process import TIMEOUT_S, Listener, listener_fixture, start_fixture
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from frame_server_double import COLOR, DESCRIPTION, PERIOD_NS, FrameServerDouble
from own_address import own_address
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage

from spatialbot_model.contracts.depth_codec import decode_depth
from spatialbot_model.contracts.frame_link import FRAME_PORT
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.nodes.conversions import msg_to_intrinsics, stamp_to_ns
from spatialbot_ros.nodes.images import msg_to_image
from spatialbot_ros.nodes.static_transforms import StaticTransformListener

__all__ = ["listener_fixture", "start_fixture"]

ADDRESS = own_address()
DOMAIN_ID = os.environ.get("ROS_DOMAIN_ID", "34")
COLOR_TOPIC = "/camera/camera/color/image_raw"
ALIGNED_TOPIC = "/camera/camera/aligned_depth_to_color/image_raw"
ENCODED_TOPIC = "/camera/camera/depth_encoded/image_raw"
INFO_TOPIC = "/camera/camera/color/camera_info"


@pytest.fixture(scope="module", autouse=True)
def ros_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", DOMAIN_ID)
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(find_resource("config/fastdds.xml")))
        yield


@pytest.fixture
def serve() -> Iterator[Callable[[], FrameServerDouble]]:
    servers: list[FrameServerDouble] = []

    def start_server() -> FrameServerDouble:
        servers.append(FrameServerDouble(ADDRESS, port=FRAME_PORT))
        servers[-1].serve(interval_s=0.03)
        servers[-1].stream()
        return servers[-1]

    yield start_server
    for server in servers:
        server.close()


def test_topics_frames_qos_and_calibration(start, serve, listener: Listener) -> None:
    serve()
    # /clock never comes: the camera must not wait for it
    process = start(address=ADDRESS, use_sim_time=True, diagnostics_period=0.2)
    transforms = StaticTransformListener(listener.node)
    images = {
        topic: listener.listen(Image, topic)
        for topic in (COLOR_TOPIC, ALIGNED_TOPIC, ENCODED_TOPIC)
    }
    infos = listener.listen(CameraInfo, INFO_TOPIC)
    reports = listener.listen(DiagnosticArray, "/diagnostics")

    def complete() -> bool:
        by_topic = (*images.values(), infos)
        stamps = [{stamp_to_ns(m.header.stamp) for m in kept} for kept in by_topic]
        return len(set.intersection(*stamps)) >= 3

    listener.until(complete)
    color, aligned, encoded = (
        {stamp_to_ns(m.header.stamp): m for m in images[topic]} for topic in images
    )
    stamp_ns = max(set(color) & set(aligned) & set(encoded))
    assert stamp_ns % PERIOD_NS == 0
    pixels = msg_to_image(color[stamp_ns])
    assert (color[stamp_ns].encoding, pixels.shape) == ("rgb8", (480, 640, 3))
    assert pixels[0, 0, 0] == stamp_ns // PERIOD_NS % 256
    aligned_mm = msg_to_image(aligned[stamp_ns])
    assert aligned[stamp_ns].encoding == "16UC1"
    assert aligned_mm[240, 320] == 800
    np.testing.assert_array_equal(decode_depth(msg_to_image(encoded[stamp_ns])), aligned_mm)
    for message in (color[stamp_ns], aligned[stamp_ns], encoded[stamp_ns], infos[0]):
        assert message.header.frame_id == "camera_color_optical_frame"
    assert msg_to_intrinsics(infos[0]) == COLOR

    # the names of nodes arrive apart from their topics
    listener.until(
        lambda: listener.node.get_publishers_info_by_topic(COLOR_TOPIC)[0].node_name == "camera"
    )
    (publisher,) = listener.node.get_publishers_info_by_topic(COLOR_TOPIC)
    assert (publisher.node_name, publisher.node_namespace) == ("camera", "/camera")
    assert publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE

    def streaming() -> bool:
        frames = [m.status[0] for m in reports if m.status[0].name == "camera: frames"]
        return bool(frames) and frames[-1].message == "streaming"

    listener.until(streaming)
    status = [m.status[0] for m in reports if m.status[0].name == "camera: frames"][-1]
    values = {pair.key: pair.value for pair in status.values}
    assert (status.level, status.hardware_id) == (DiagnosticStatus.OK, DESCRIPTION.serial_no)
    assert values["lost frames"] == "0"
    assert values["rate [Hz]"] == "15.00"

    listener.until(lambda: transforms.lookup("fr3_link0", "camera_color_optical_frame") is not None)
    camera = load_cell().camera
    np.testing.assert_allclose(
        transforms.lookup("fr3_link0", "camera_color_optical_frame"), camera.T_base_color, atol=1e-6
    )
    np.testing.assert_allclose(
        transforms.lookup("fr3_link0", "camera_depth_optical_frame"), camera.T_base_depth, atol=1e-6
    )
    assert process.interrupt() == 0


def test_without_a_simulator_it_says_so_and_resumes_whenever_one_comes(
    start, serve, listener: Listener
) -> None:
    process = start(address=ADDRESS, use_sim_time=True, reconnect_timeout=0.5)
    images = listener.listen(Image, COLOR_TOPIC)
    for pause in ("0.25 s", "0.5 s", "0.5 s"):
        line = process.wait_for_line("no simulated camera", f"{ADDRESS}:{FRAME_PORT}")
        assert f"Next attempt in {pause}" in line
    assert not images

    server = serve()
    process.wait_for_line(DESCRIPTION.name, DESCRIPTION.serial_no)
    listener.until(lambda: bool(images))

    server.close()
    process.wait_for_line("lost the simulated camera", f"{ADDRESS}:{FRAME_PORT}")
    serve()
    process.wait_for_line(DESCRIPTION.name)
    images.clear()
    listener.until(lambda: bool(images))
    assert process.interrupt() == 0


def test_an_interrupt_ends_it_while_it_looks_for_hardware(start) -> None:
    process = start(camera="realsense", serial_no="_123456", reconnect_timeout=60.0)
    line = process.wait_for_line("not found")
    assert "'123456'" in line
    assert "devices present" in line
    assert process.interrupt() == 0


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"wait_for_device_timeout": 0.0}, ("gave up", ADDRESS)),
        ({"camera": "webcam"}, ("unknown camera 'webcam'", "realsense, simulated")),
        ({"depth_module.depth_profile": "vga"}, ("'vga'", "640x480x30")),
        ({"depth_encoding": "jet"}, ("'jet'", "release, paper, uint24")),
        ({"cell_file": "/nowhere/cell.yaml"}, ("/nowhere/cell.yaml",)),
    ],
)
def test_what_cannot_work_ends_with_one_clear_line(start, parameters, words) -> None:
    process = start(**{"address": ADDRESS, **parameters})
    process.wait_for_line("error: ", *words)
    assert process.process.wait(TIMEOUT_S) == 1


def test_late_listeners_get_the_frames_of_the_camera(start, serve, listener: Listener) -> None:
    serve()
    process = start(address=ADDRESS, use_sim_time=True, publish_base_tf=False)
    process.wait_for_line(DESCRIPTION.name)
    kept: list[Any] = []
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    listener.node.create_subscription(TFMessage, "/tf_static", kept.append, latched)
    listener.until(lambda: bool(kept))
    children = {t.child_frame_id: t.header.frame_id for t in kept[-1].transforms}
    assert children == {
        "camera_depth_frame": "camera_link",
        "camera_depth_optical_frame": "camera_depth_frame",
        "camera_color_frame": "camera_link",
        "camera_color_optical_frame": "camera_color_frame",
    }

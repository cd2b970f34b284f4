"""Faults of the stream through the camera node: told at once, withheld, over with a good frame."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest
from camera_process import Listener, listener_fixture, start_fixture
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from frame_server_double import DESCRIPTION, FrameServerDouble, make_frame
from own_address import own_address
from sensor_msgs.msg import Image
from spatialbot_msgs.msg import SafetyEvent

from spatialbot_model.contracts.frame_link import FRAME_PORT, RawFrame
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros import camera_faults as cf
from spatialbot_ros.bringup import supervisor_command
from spatialbot_ros.nodes.conversions import stamp_to_ns
from spatialbot_sim import camera_faults as injected
from spatialbot_sim.camera_faults import FrameFaults, InjectedFault

__all__ = ["listener_fixture", "start_fixture"]

ADDRESS = own_address()
COLOR_TOPIC = "/camera/camera/color/image_raw"
TOLD_AS = {
    injected.FROZEN: cf.CAMERA_FROZEN,
    injected.NO_DEPTH_IMAGE: cf.CAMERA_HALF_FRAMESET,
    injected.NO_COLOR: cf.CAMERA_HALF_FRAMESET,
    injected.DEPTH_EMPTY: cf.CAMERA_DEPTH_EMPTY,
    injected.STAMP_AHEAD: cf.CAMERA_TIMESTAMP,
    injected.STAMP_BACK: cf.CAMERA_TIMESTAMP,
    injected.STALLED: cf.CAMERA_STALLED,
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", autouse=True)
def ros_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", os.environ.get("ROS_DOMAIN_ID", "34"))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        patch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(find_resource("config/fastdds.xml")))
        yield


class Sensor:
    """Exposes frames stamped with the wall clock, spoiled as long as a fault is on."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.faults = FrameFaults()
        self.spoiled_ns: set[int] = set()

    def expose(self, number: int) -> RawFrame | None:
        frame = make_frame(number, time.time_ns())
        with self.lock:
            name = self.faults.name(frame.stamp_ns)
            sent = self.faults.apply(frame, name)
        if name:
            self.spoiled_ns.add(frame.stamp_ns if sent is None else sent.stamp_ns)
        return sent

    def begin(self, name: str) -> None:
        with self.lock:
            self.faults.begin(InjectedFault(name, 1.0))


def test_every_fault_is_named_withheld_and_over_with_the_next_good_frame(
    start, listener: Listener
) -> None:
    sensor = Sensor()
    server = FrameServerDouble(ADDRESS, port=FRAME_PORT, expose=sensor.expose)
    server.serve(interval_s=0.03)
    server.stream()
    try:
        start(address=ADDRESS, diagnostics_period=0.5)
        images = listener.listen(Image, COLOR_TOPIC)
        events = listener.listen(SafetyEvent, "/spatialbot/safety_event")
        reports = listener.listen(DiagnosticArray, "/diagnostics")
        listener.until(lambda: len(images) > 3)
        for name, told_as in TOLD_AS.items():
            del events[:], images[:], reports[:]
            sensor.begin(name)
            listener.until(lambda: bool(events) and events[-1].name == cf.CAMERA_GOOD)
            first, last = events[0], events[-1]
            assert (first.name, first.source) == (told_as, "camera"), name
            assert first.severity == SafetyEvent.REFUSED
            assert last.severity == SafetyEvent.NOTE
            assert stamp_to_ns(last.header.stamp) > stamp_to_ns(first.header.stamp)
            _wait_for_newer(listener, images, stamp_to_ns(last.header.stamp))
            shown_ns = {stamp_to_ns(message.header.stamp) for message in images}
            assert sensor.spoiled_ns
            assert not shown_ns & sensor.spoiled_ns, f"{name}: spoiled frames were published"
            # told with the fault, not with the next period
            told = [s for m in reports for s in m.status if s.level == DiagnosticStatus.ERROR]
            assert any(s.message.startswith(told_as) for s in told), name
        counts = {pair.key: int(pair.value) for pair in _faults(reports).values}
        assert counts[cf.CAMERA_HALF_FRAMESET] >= 2
    finally:
        server.close()


def test_a_killed_camera_node_is_started_again_and_streams(start, listener: Listener) -> None:
    server = FrameServerDouble(ADDRESS, port=FRAME_PORT)
    server.serve(interval_s=0.03)
    server.stream()
    try:
        process = start(prefix=supervisor_command(), address=ADDRESS, use_sim_time=True)
        images = listener.listen(Image, COLOR_TOPIC)
        listener.until(lambda: len(images) > 3)
        killed = process.child()
        os.kill(killed, signal.SIGKILL)
        process.wait_for_line("ended with signal 9", "started again")
        process.wait_for_line(DESCRIPTION.name)
        assert process.child() != killed
        images.clear()
        listener.until(lambda: len(images) > 3)
        assert process.interrupt() == 0
    finally:
        server.close()


def _faults(reports: list[DiagnosticArray]) -> DiagnosticStatus:
    return [s for m in reports for s in m.status if s.name == "camera: faults"][-1]


def _wait_for_newer(listener: Listener, images: list[Image], than_ns: int) -> None:
    listener.until(lambda: any(stamp_to_ns(m.header.stamp) > than_ns for m in images))

"""What every camera of the registry promises (`ports.Camera`), on test doubles of the devices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from frame_server_double import COLOR, DEPTH, DESCRIPTION, FrameServerDouble
from own_address import own_address
from realsense_double import ContextDouble, DeviceFeeder

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraNotFoundError,
    CameraTimeoutError,
    UnknownNameError,
)
from spatialbot_ros.cameras.realsense import RealSenseCamera
from spatialbot_ros.cameras.registry import CAMERAS, make_camera
from spatialbot_ros.cameras.settings import CameraSettings, StreamProfile
from spatialbot_ros.cameras.simulated import SimulatedCamera
from spatialbot_ros.ports import Camera

ADDRESS = own_address()


@dataclass
class Harness:
    """A camera and the hands that work its device."""

    camera: Camera
    stream: Callable[[], None]
    unplug: Callable[[], None]
    close: Callable[[], None]


def simulated() -> Harness:
    server = FrameServerDouble(ADDRESS)
    server.serve()
    return Harness(
        SimulatedCamera(CameraSettings(address=ADDRESS), server.port),
        stream=server.stream,
        unplug=server.close,
        close=server.close,
    )


def realsense() -> Harness:
    feeder = DeviceFeeder()
    context = ContextDouble(feeder.device)
    profile = StreamProfile(COLOR.width, COLOR.height, round(DESCRIPTION.rate_hz))
    settings = CameraSettings(color_profile=profile, depth_profile=profile)
    return Harness(
        RealSenseCamera(settings, lambda: context),
        stream=feeder.start,
        unplug=context.unplug,
        close=feeder.close,
    )


HARNESSES = {"simulated": simulated, "realsense": realsense}


@pytest.fixture(params=sorted(CAMERAS))
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    assert request.param in HARNESSES, f"give camera {request.param!r} a harness in this test"
    made = HARNESSES[request.param]()
    yield made
    made.camera.close()
    made.close()


def test_identity_and_calibration(harness: Harness) -> None:
    harness.stream()
    info = harness.camera.connect()
    assert (info.name, info.serial_no) == (DESCRIPTION.name, DESCRIPTION.serial_no)
    assert (info.color, info.depth, info.rate_hz) == (COLOR, DEPTH, DESCRIPTION.rate_hz)
    expected = np.eye(4)
    expected[:3, 3] = DESCRIPTION.depth_to_color_translation_m
    np.testing.assert_allclose(info.T_color_depth, expected, atol=1e-7)


def test_framesets_are_whole_paired_and_in_order(harness: Harness) -> None:
    harness.stream()
    harness.camera.connect()
    framesets = [harness.camera.read(5.0) for _ in range(10)]
    numbers = [frameset.frame_number for frameset in framesets]
    stamps_ns = [frameset.stamp_ns for frameset in framesets]
    assert numbers == sorted(set(numbers))
    assert stamps_ns == sorted(set(stamps_ns))
    for frameset in framesets:
        assert (frameset.color.dtype, frameset.color.shape) == (np.uint8, (480, 640, 3))
        assert (frameset.depth_mm.dtype, frameset.depth_mm.shape) == (np.uint16, (480, 640))
        assert frameset.aligned_depth_mm.shape == (480, 640)
        # the doubles write the frame number into both images
        assert frameset.depth_mm[0, 0] == frameset.color[0, 0, 0]
        assert frameset.depth_mm[240, 320] == frameset.aligned_depth_mm[240, 320] == 800


def test_alignment_is_left_out_when_not_asked_for(harness: Harness) -> None:
    harness.stream()
    harness.camera.connect()
    assert harness.camera.read(5.0, align=False).aligned_depth_mm is None
    assert harness.camera.read(5.0, align=True).aligned_depth_mm is not None


def test_a_timeout_does_no_harm(harness: Harness) -> None:
    harness.camera.connect()
    with pytest.raises(CameraTimeoutError):
        harness.camera.read(0.01)
    harness.stream()
    assert harness.camera.read(5.0).frame_number >= 1


def test_removal_is_an_error_and_the_camera_is_then_not_found(harness: Harness) -> None:
    harness.stream()
    harness.camera.connect()
    harness.camera.read(5.0)
    harness.unplug()
    with pytest.raises(CameraError) as caught:
        for _ in range(20):
            harness.camera.read(1.0)
    assert not isinstance(caught.value, CameraTimeoutError)
    harness.camera.close()
    with pytest.raises(CameraNotFoundError):
        harness.camera.connect()


def test_reading_before_connecting_and_closing_twice(harness: Harness) -> None:
    with pytest.raises(CameraError, match="not connected"):
        harness.camera.read(0.1)
    harness.camera.close()
    harness.camera.close()


def test_it_can_be_connected_again(harness: Harness) -> None:
    harness.stream()
    for _ in range(2):
        harness.camera.connect()
        assert harness.camera.read(5.0).color.shape == (480, 640, 3)
        harness.camera.close()


def test_unknown_camera_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="realsense, simulated"):
        make_camera("webcam", CameraSettings())


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_making_a_camera_opens_nothing(name: str) -> None:
    camera = make_camera(name, CameraSettings(address="203.0.113.1"))
    camera.close()

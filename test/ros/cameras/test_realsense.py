"""Finding and opening hardware, on librealsense software devices."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from frame_server_double import DESCRIPTION
from realsense_double import ContextDouble, DeviceFeeder

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraNotFoundError,
    CameraTimeoutError,
    HalfFramesetError,
)
from spatialbot_ros.cameras.realsense import RealSenseCamera
from spatialbot_ros.cameras.settings import CameraSettings, StreamProfile
from spatialbot_ros.cameras.software_device import SoftwareDevice
from spatialbot_ros.ports import CameraFrameset

PROFILE = StreamProfile(640, 480, 15)
SETTINGS = CameraSettings(color_profile=PROFILE, depth_profile=PROFILE)


def other_device() -> SoftwareDevice:
    return SoftwareDevice(replace(DESCRIPTION, name="Intel RealSense D405", serial_no="0042"))


@pytest.fixture
def feeder() -> Iterator[DeviceFeeder]:
    made = DeviceFeeder()
    yield made
    made.close()


def connect(settings: CameraSettings, *devices: SoftwareDevice) -> str:
    camera = RealSenseCamera(settings, lambda: ContextDouble(*devices))
    try:
        return camera.connect().serial_no
    finally:
        camera.close()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "double-1"),
        ({"serial_no": "0042"}, "0042"),
        ({"serial_no": "_0042"}, "0042"),
        ({"device_type": "d405"}, "0042"),
    ],
)
def test_the_wanted_device_is_taken(wanted: dict[str, str], found: str) -> None:
    assert connect(replace(SETTINGS, **wanted), DeviceFeeder().device, other_device()) == found


@pytest.mark.parametrize("wanted", [{"serial_no": "77"}, {"device_type": "d455"}])
def test_nothing_matching_names_what_was_wanted_and_what_is_there(wanted) -> None:
    with pytest.raises(CameraNotFoundError) as caught:
        connect(replace(SETTINGS, **wanted), other_device())
    assert next(iter(wanted.values())) in str(caught.value)
    assert "Intel RealSense D405 (0042)" in str(caught.value)


def test_an_unknown_profile_lists_those_on_offer() -> None:
    settings = replace(SETTINGS, color_profile=StreamProfile(1920, 1080, 30))
    with pytest.raises(CameraError, match=r"color profile 1920x1080x30.*offers: 640x480x15"):
        connect(settings, other_device())


def test_stamps_are_ros_time_at_the_first_frame(feeder: DeviceFeeder) -> None:
    settings = replace(SETTINGS, now_ns=lambda: 10**18)
    camera = RealSenseCamera(settings, lambda: ContextDouble(feeder.device))
    camera.connect()
    feeder.start()
    first, second = camera.read(5.0), camera.read(5.0)
    camera.close()
    assert first.stamp_ns == 10**18
    periods = second.frame_number - first.frame_number
    assert second.stamp_ns - first.stamp_ns == pytest.approx(periods * 1e9 / 15, abs=10)


@pytest.mark.parametrize("missing", ["color", "depth_mm"])
def test_a_sensor_that_stops_is_told_and_pairs_come_again(
    feeder: DeviceFeeder, missing: str
) -> None:
    camera = RealSenseCamera(SETTINGS, lambda: ContextDouble(feeder.device))
    camera.connect()
    feeder.start()
    camera.read(10.0)
    empty = np.empty((0, 0, 3) if missing == "color" else (0, 0), np.uint8)
    feeder.spoil = lambda frame: replace(frame, **{missing: empty})
    with pytest.raises(HalfFramesetError, match="single images came"):
        read_until_half(camera)
    feeder.spoil = lambda frame: frame
    read_again(camera)
    camera.close()


def test_a_camera_that_is_plugged_in_again_goes_on(feeder: DeviceFeeder) -> None:
    context = ContextDouble(feeder.device)
    camera = RealSenseCamera(SETTINGS, lambda: context)
    camera.connect()
    feeder.start()
    before = camera.read(10.0)
    context.unplug()
    with pytest.raises(CameraError, match="unplugged"):
        for _ in range(10):
            camera.read(1.0)
    camera.close()
    with pytest.raises(CameraNotFoundError):
        camera.connect()
    again = DeviceFeeder()
    context.plug(again.device)
    try:
        camera.connect()
        again.start()
        assert read_again(camera).stamp_ns > before.stamp_ns
    finally:
        camera.close()
        again.close()


def read_until_half(camera: RealSenseCamera) -> None:
    for _ in range(100):
        try:
            camera.read(0.1)
        except HalfFramesetError:
            raise
        except CameraTimeoutError:
            continue


def read_again(camera: RealSenseCamera) -> CameraFrameset:
    """The next whole frameset; until then time-outs are nothing unusual."""
    for _ in range(100):
        with contextlib.suppress(CameraTimeoutError):
            return camera.read(0.2)
    raise AssertionError("no frameset came any more")


def test_a_device_without_depth_is_refused_and_left_closed(feeder: DeviceFeeder) -> None:
    settings = replace(SETTINGS, depth_profile=StreamProfile(1280, 720, 15))
    context = ContextDouble(feeder.device)
    with pytest.raises(CameraError, match="depth profile 1280x720x15"):
        RealSenseCamera(settings, lambda: context).connect()
    camera = RealSenseCamera(SETTINGS, lambda: context)
    camera.connect()
    camera.close()

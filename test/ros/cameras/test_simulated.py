"""The simulated camera: exact stamps, nothing lost, whatever the simulation's clock does."""

from collections.abc import Iterator

import numpy as np
import pytest
from frame_server_double import DESCRIPTION, FrameServerDouble, make_frame
from own_address import own_address

from spatialbot_model.contracts.errors import CameraError
from spatialbot_model.contracts.frame_link import RawFrame
from spatialbot_ros.cameras.settings import CameraSettings, DepthFilters
from spatialbot_ros.cameras.simulated import SimulatedCamera
from spatialbot_ros.ports import CameraFrameset

ADDRESS = own_address()


class ScriptedLink:
    """Test double of `FrameLinkClient`: hands out given frames, notes acknowledgements."""

    def __init__(self, frames: list[RawFrame]) -> None:
        self.frames = iter(frames)
        self.acknowledged: list[int] = []

    def connect(self):
        return DESCRIPTION

    def receive(self, description, timeout_s: float) -> RawFrame:
        return next(self.frames)

    def acknowledge(self, frame_number: int) -> None:
        self.acknowledged.append(frame_number)

    def close(self) -> None:
        pass


def read_all(frames: list[RawFrame]) -> tuple[list[CameraFrameset], list[int]]:
    camera = SimulatedCamera(CameraSettings())
    camera._client = link = ScriptedLink(frames)
    camera.connect()
    try:
        return [camera.read(1.0) for _ in frames], link.acknowledged
    finally:
        camera.close()


@pytest.fixture
def server() -> Iterator[FrameServerDouble]:
    double = FrameServerDouble(ADDRESS)
    double.serve(interval_s=0.0)
    yield double
    double.close()


@pytest.mark.parametrize(
    "stamps_ns",
    [
        [1, 2, 3],
        [2**62 + 1, 2**62 + 66_666_668, 2**62 + 133_333_335],
        [66_666_667, 60 * 10**9 + 1, 61 * 10**9 + 3, 61 * 10**9 + 4],
        [10**12, 5, 66_666_671, 133_333_333],
    ],
    ids=["nanoseconds", "beyond a double", "after pauses", "clock set back"],
)
def test_stamps_are_exactly_the_simulators_and_no_frame_is_lost(stamps_ns: list[int]) -> None:
    numbers = range(10**12, 10**12 + 3 * len(stamps_ns), 3)
    frames = [make_frame(n, t) for n, t in zip(numbers, stamps_ns, strict=True)]
    framesets, acknowledged = read_all(frames)
    assert [f.stamp_ns for f in framesets] == stamps_ns
    assert [f.frame_number for f in framesets] == list(numbers)
    assert acknowledged == list(numbers)
    for frameset, frame in zip(framesets, frames, strict=True):
        np.testing.assert_array_equal(frameset.color, frame.color)
        np.testing.assert_array_equal(frameset.depth_mm, frame.depth_mm)


def test_every_frame_of_a_stream_arrives_and_is_acknowledged(server: FrameServerDouble) -> None:
    camera = SimulatedCamera(CameraSettings(address=ADDRESS), server.port)
    server.stream()
    camera.connect()
    numbers = [camera.read(5.0, align=False).frame_number for _ in range(100)]
    camera.close()
    assert numbers == list(range(1, 101))
    server.close()
    assert server.acknowledged[:99] == list(range(1, 100))


def test_frames_that_are_kept_stay_as_they_were(server: FrameServerDouble) -> None:
    camera = SimulatedCamera(CameraSettings(address=ADDRESS), server.port)
    server.stream()
    camera.connect()
    kept = [camera.read(5.0) for _ in range(8)]
    camera.close()
    for number, frameset in enumerate(kept, start=1):
        assert frameset.color[0, 0, 0] == frameset.depth_mm[0, 0] == number


def test_keeping_too_many_is_told_and_ends_when_they_are_given_back() -> None:
    camera = SimulatedCamera(CameraSettings())
    camera._client = ScriptedLink([make_frame(n) for n in range(1, 101)])
    camera.connect()
    kept = []
    with pytest.raises(CameraError, match="copy arrays"):
        for _ in range(99):
            kept.append(camera.read(1.0))
    kept.clear()
    assert camera.read(1.0).depth_mm[240, 320] == 800
    camera.close()


def test_decimation_is_told_in_the_calibration() -> None:
    camera = SimulatedCamera(CameraSettings(filters=DepthFilters(decimation=True)))
    camera._client = ScriptedLink([make_frame(1)])
    info = camera.connect()
    frameset = camera.read(1.0)
    camera.close()
    assert frameset.depth_mm.shape == (info.depth.height, info.depth.width) == (240, 320)

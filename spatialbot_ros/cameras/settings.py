"""What a camera is asked for: stream profiles, filters and where to look for it. Pure."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from spatialbot_model.contracts.errors import ConfigurationError

_PROFILE = re.compile(r"\s*([0-9]+)\s*[x,]\s*([0-9]+)\s*[x,]\s*([0-9]+)\s*")


@dataclass(frozen=True, slots=True)
class StreamProfile:
    """Size in pixels and rate of one stream."""

    width: int
    height: int
    rate_hz: int

    @classmethod
    def parse(cls, text: str) -> "StreamProfile":
        """Read the form of realsense-ros, e.g. ``640x480x30``.

        Raises:
            ConfigurationError: not three positive numbers.
        """
        match = _PROFILE.fullmatch(text)
        numbers = [int(group) for group in match.groups()] if match else []
        if not numbers or min(numbers) < 1:
            raise ConfigurationError(
                f"stream profile is {text!r}; expected WIDTHxHEIGHTxRATE such as 640x480x30"
            )
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.rate_hz}"


@dataclass(frozen=True, slots=True)
class DepthFilters:
    """librealsense's post-processing of depth, all off by default.

    Decimation, spatial and temporal only average what was measured: a pixel without a
    return never gets a value and never changes a neighbour. `hole_filling` is the one
    filter that invents depth, for people to look at.

    Attributes:
        disparity: filter in disparity (1 / depth) instead of depth, better far away.
        clip_distance_m: depth beyond it becomes invalid; 0 or less keeps everything.
    """

    decimation: bool = False
    spatial: bool = False
    temporal: bool = False
    disparity: bool = False
    hole_filling: bool = False
    clip_distance_m: float = 0.0


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera's settings; each adapter reads what concerns it.

    Attributes:
        address: where the simulated lab serves frames (simulated camera).
        serial_no: wanted device, empty for any; a leading underscore is ignored, as in
            realsense-ros (hardware).
        device_type: part of the device name such as ``d435``, empty for any (hardware).
        initial_reset: reset the device once before it is used (hardware).
        color_profile, depth_profile: wanted streams (hardware).
        now_ns: ROS time in nanoseconds, onto which the hardware clock is mapped.
    """

    address: str = "127.0.0.1"
    serial_no: str = ""
    device_type: str = ""
    initial_reset: bool = False
    color_profile: StreamProfile = StreamProfile(640, 480, 30)
    depth_profile: StreamProfile = StreamProfile(640, 480, 30)
    filters: DepthFilters = field(default_factory=DepthFilters)
    now_ns: Callable[[], int] = time.time_ns

"""Faults of a camera, put on purpose into the frames that the simulated lab sends.

Pure: `FrameFaults` turns the frame that would be sent into the one that is, in simulation time;
the frame server does what has to do with its connection. Faults can be drawn with a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.frame_link import RawFrame, SensorDescription

UNPLUGGED = "unplugged"
STALLED = "stalled"
NO_COLOR = "no_color"
NO_DEPTH_IMAGE = "no_depth_image"
FROZEN = "frozen"
STAMP_AHEAD = "stamp_ahead"
STAMP_BACK = "stamp_back"
DEPTH_EMPTY = "depth_empty"
RECALIBRATED = "recalibrated"

FAULTS = {
    UNPLUGGED: "nobody answers on the frame port",
    STALLED: "connected, and no frames come",
    NO_COLOR: "depth comes without colour",
    NO_DEPTH_IMAGE: "colour comes without depth",
    FROZEN: "new stamps and numbers on the pictures of the last good frame",
    STAMP_AHEAD: "stamps lie two seconds ahead",
    STAMP_BACK: "stamps lie two seconds back",
    DEPTH_EMPTY: "no pixel of depth has a return",
    RECALIBRATED: "the camera is opened again with another focal length",
}
"""Name -> what happens while the fault lasts."""

MAX_DURATION_S = 60.0
_STAMP_NS = 2_000_000_000
_FOCAL_FACTOR = 1.02
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """A fault and how long it lasts in simulation time.

    Raises:
        UnknownNameError: there is no such fault.
        ConfigurationError: no duration in (0, 60] s.
    """

    name: str
    duration_s: float

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise UnknownNameError("camera fault", self.name, FAULTS)
        if not 0.0 < self.duration_s <= MAX_DURATION_S:
            raise ConfigurationError(
                f"a fault of {self.duration_s} s cannot be injected; expected a duration above 0"
                f" and up to {MAX_DURATION_S:g} s"
            )

    @classmethod
    def parse(cls, text: str) -> "InjectedFault":
        """Read ``NAME SECONDS``.

        Raises:
            UnknownNameError: there is no such fault.
            ConfigurationError: not of that form, or no usable duration.
        """
        name, _, seconds = text.strip().partition(" ")
        try:
            return cls(name, float(seconds))
        except ValueError as error:
            if isinstance(error, ConfigurationError | UnknownNameError):
                raise
            raise ConfigurationError(
                f"{text!r} is no camera fault; expected NAME SECONDS such as `frozen 1.5`"
            ) from error


def draw_faults(
    seed: int, repeats: int, names: Sequence[str] = tuple(FAULTS)
) -> tuple[InjectedFault, ...]:
    """Every fault `repeats` times, in an order and with durations that the seed decides."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.repeat(np.array(names), repeats))
    return tuple(InjectedFault(str(name), round(float(rng.uniform(1.2, 2.0)), 3)) for name in order)


class FrameFaults:
    """The fault that is on, and what it makes of each frame; belongs to the physics thread."""

    def __init__(self) -> None:
        self._fault: InjectedFault | None = None
        self._end_ns: int | None = None
        self._good: RawFrame | None = None

    def begin(self, fault: InjectedFault) -> None:
        """From the next frame on; replaces a fault that is on."""
        self._fault, self._end_ns = fault, None

    def name(self, time_ns: int) -> str:
        """The fault that is on at the exposure of a frame, empty when none is.

        The first frame that asks starts the fault's time.
        """
        if self._fault is None:
            return ""
        if self._end_ns is None:
            self._end_ns = time_ns + round(self._fault.duration_s * _NS_PER_S)
        if time_ns >= self._end_ns:
            self._fault = None
            return ""
        return self._fault.name

    def apply(self, frame: RawFrame, name: str) -> RawFrame | None:
        """What is sent in place of a frame while the fault `name` is on; None for nothing."""
        if name == FROZEN and self._good is not None:
            return replace(frame, color=self._good.color, depth_mm=self._good.depth_mm)
        if name in (UNPLUGGED, STALLED):
            return None
        if name == NO_COLOR:
            return replace(frame, color=np.empty((0, 0, 3), np.uint8))
        if name == NO_DEPTH_IMAGE:
            return replace(frame, depth_mm=np.empty((0, 0), np.uint16))
        if name in (STAMP_AHEAD, STAMP_BACK):
            offset_ns = _STAMP_NS if name == STAMP_AHEAD else -_STAMP_NS
            return replace(frame, stamp_ns=frame.stamp_ns + offset_ns)
        if name == DEPTH_EMPTY:
            return replace(frame, depth_mm=np.zeros_like(frame.depth_mm))
        self._good = frame
        return frame


def recalibrated(description: SensorDescription) -> SensorDescription:
    """The same camera with another focal length of both sensors."""
    return replace(
        description,
        **{
            name: replace(old, fx_px=old.fx_px * _FOCAL_FACTOR, fy_px=old.fy_px * _FOCAL_FACTOR)
            for name, old in (("color", description.color), ("depth", description.depth))
        },
    )

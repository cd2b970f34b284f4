"""What can go wrong with a camera's stream, each fault with its detector and its limits.

Pure: no rclpy, no device, no clock. A `CameraWatch` is told of everything that a camera does; a
`CameraFault` instead of None means that nobody may be shown the frameset, so that a policy holds
until the stream is good again. Stamps are ROS time in nanoseconds; `now_s` is a clock that only
goes forward, for durations.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros.ports import CameraFrameset, CameraInfo

CAMERA_LOST = "camera_lost"
CAMERA_STALLED = "camera_stalled"
CAMERA_HALF_FRAMESET = "camera_half_frameset"
CAMERA_FROZEN = "camera_frozen"
CAMERA_TIMESTAMP = "camera_timestamp"
CAMERA_DEPTH_EMPTY = "camera_depth_empty"
CAMERA_CALIBRATION = "camera_calibration"

FAULT_NAMES = (
    *(CAMERA_LOST, CAMERA_STALLED, CAMERA_HALF_FRAMESET, CAMERA_FROZEN, CAMERA_TIMESTAMP),
    *(CAMERA_DEPTH_EMPTY, CAMERA_CALIBRATION),
)
"""Everything that is looked for, in the order of docs/camera.md."""

CAMERA_GOOD = "camera_good"
"""Name of the event that ends a fault."""

_MENDED_BY_REOPENING = (CAMERA_STALLED, CAMERA_HALF_FRAMESET, CAMERA_FROZEN, CAMERA_TIMESTAMP)
_NS_PER_S = 1_000_000_000
_ROWS = 48
_DEPTH_STRIDE = 4


@dataclass(frozen=True, slots=True)
class CameraFault:
    """One thing that is wrong; `asked` are SI numbers that say how much, where there are any."""

    name: str
    detail: str
    asked: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class CameraFaultLimits:
    """What still passes as a good stream.

    Attributes:
        stall_s: without a frameset, by ROS time and by the clock of durations alike: a paused
            simulation is no stall, and neither is a busy machine.
        start_s: the same before the first frameset of a connection.
        min_depth_share: of the depth pixels that must have a return; 0 takes any image.
        max_future_s: how far a stamp may lie ahead of ROS time.
        max_age_s: how old a stamp may be when its frameset is read.
        streams_freeze_alone: one image that stays the same is a fault even while the other
            changes. True for imagers with noise; a simulated scene at rest looks the same twice.
        reopen_after_s: a fault that opening the device again may mend has lasted so long.
    """

    stall_s: float = 0.5
    start_s: float = 3.0
    min_depth_share: float = 0.02
    max_future_s: float = 0.2
    max_age_s: float = 5.0
    streams_freeze_alone: bool = False
    reopen_after_s: float = 5.0


class CameraWatch:
    """See the module docstring; belongs to the thread that reads the camera.

    Invariant: stamps of framesets that passed increase strictly within a connection.

    Attributes:
        current: the fault that lasts, None while the stream is good.
        since_s: when it began, or when the device was opened after that.
        num_withheld: framesets that were not shown to anybody.
    """

    def __init__(self, limits: CameraFaultLimits) -> None:
        self._limits = limits
        self._counts: Counter[str] = Counter()
        self.current: CameraFault | None = None
        self.since_s = 0.0
        self.num_withheld = 0
        self._info: CameraInfo | None = None
        self._last: CameraFrameset | None = None
        self._stamp_ns = -1
        self._arrival_ns = 0
        self._arrival_s = 0.0

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each fault has begun, by name; names that never came up are 0."""
        return {name: self._counts[name] for name in FAULT_NAMES}

    def connected(self, info: CameraInfo, now_ns: int, now_s: float) -> CameraFault | None:
        """The camera streams; a fault when it is another one, or calibrated anew, since before.

        Told once: from here on the new calibration is the right one. What was measured with the
        old one, the camera's pose above all, may not be.
        """
        before, self._info = self._info, info
        self._last, self._stamp_ns = None, -1
        self._arrival_ns, self._arrival_s = now_ns, now_s
        # a fault that outlasts the opening is given time before the next one
        self.since_s = now_s
        changes = [] if before is None else _calibration_changes(before, info)
        if not changes:
            return None
        detail = f"not the camera that it was: {'; '.join(changes)}. Is its pose still calibrated?"
        return self._begin(CameraFault(CAMERA_CALIBRATION, detail), now_s)

    def lost(self, reason: str, now_s: float) -> CameraFault:
        """The device is gone, or was never there; attempts to find it are one fault."""
        return self._begin(CameraFault(CAMERA_LOST, reason), now_s)

    def half(self, reason: str, now_ns: int, now_s: float) -> CameraFault:
        """Only one of the two sensors delivers."""
        self._arrival_ns, self._arrival_s = now_ns, now_s
        return self._begin(CameraFault(CAMERA_HALF_FRAMESET, reason), now_s)

    def silent(self, now_ns: int, now_s: float) -> CameraFault | None:
        """Nothing came lately; a fault once that has lasted too long."""
        limits = self._limits
        limit_s = limits.stall_s if self._last is not None else limits.start_s
        silent_s = min((now_ns - self._arrival_ns) / _NS_PER_S, now_s - self._arrival_s)
        if silent_s <= limit_s:
            return None
        detail = f"connected, but no frameset for {silent_s:.2f} s, at most {limit_s:g} s may pass"
        return self._begin(CameraFault(CAMERA_STALLED, detail, (silent_s,)), now_s)

    def frameset(self, frameset: CameraFrameset, now_ns: int, now_s: float) -> CameraFault | None:
        """Whether a frameset may be shown; None ends whatever fault there was.

        Args:
            now_ns: ROS time; 0 while it has not begun, when stamps are compared with none.
        """
        before, self._last = self._last, frameset
        self._arrival_ns, self._arrival_s = now_ns, now_s
        fault = (
            self._stamp_fault(frameset, now_ns)
            or self._depth_fault(frameset)
            or self._frozen_fault(before, frameset)
        )
        if fault is not None:
            self.num_withheld += 1
            return self._begin(fault, now_s)
        self._stamp_ns = frameset.stamp_ns
        self.current = None
        return None

    def reopening_is_due(self, now_s: float) -> bool:
        """Whether the fault has lasted so long that the device should be opened again."""
        current = self.current
        return (
            current is not None
            and current.name in _MENDED_BY_REOPENING
            and now_s - self.since_s > self._limits.reopen_after_s
        )

    def _begin(self, fault: CameraFault, now_s: float) -> CameraFault:
        if self.current is None or self.current.name != fault.name:
            self._counts[fault.name] += 1
            self.since_s = now_s
        self.current = fault
        return fault

    def _stamp_fault(self, frameset: CameraFrameset, now_ns: int) -> CameraFault | None:
        limits, stamp_ns = self._limits, frameset.stamp_ns
        if frameset.clock_jumped:
            return CameraFault(CAMERA_TIMESTAMP, "the device's clock jumped; it was mapped anew")
        if stamp_ns <= self._stamp_ns:
            back_s = (self._stamp_ns - stamp_ns) / _NS_PER_S
            detail = f"the stamp lies {back_s:.3f} s before that of an earlier frameset"
            return CameraFault(CAMERA_TIMESTAMP, detail, (-back_s,))
        if now_ns == 0:
            return None
        age_s = (now_ns - stamp_ns) / _NS_PER_S
        if -limits.max_future_s <= age_s <= limits.max_age_s:
            return None
        where = f"{age_s:.3f} s old" if age_s > 0.0 else f"{-age_s:.3f} s ahead of ROS time"
        return CameraFault(
            CAMERA_TIMESTAMP,
            f"the stamp is {where}; -{limits.max_future_s:g} to {limits.max_age_s:g} s is taken."
            " Do the camera and all nodes follow the same clock (use_sim_time)?",
            (age_s,),
        )

    def _depth_fault(self, frameset: CameraFrameset) -> CameraFault | None:
        share = depth_share(frameset.depth_mm)
        if share >= self._limits.min_depth_share:
            return None
        return CameraFault(
            CAMERA_DEPTH_EMPTY,
            f"{share:.1%} of the depth pixels have a return, at least"
            f" {self._limits.min_depth_share:.0%} must; is something before the lens, or the"
            " infrared projector off?",
            (share,),
        )

    def _frozen_fault(
        self, before: CameraFrameset | None, frameset: CameraFrameset
    ) -> CameraFault | None:
        if before is None:
            return None
        same_depth = _is_same(before.depth_mm, frameset.depth_mm)
        if not same_depth and not self._limits.streams_freeze_alone:
            return None
        same_color = _is_same(before.color, frameset.color)
        if not (same_depth and same_color) and not (
            self._limits.streams_freeze_alone and (same_depth or same_color)
        ):
            return None
        what = " and ".join(
            name for name, same in (("colour", same_color), ("depth", same_depth)) if same
        )
        detail = (
            f"{what} of frameset {frameset.frame_number} are those of the one before, bit by bit"
        )
        return CameraFault(CAMERA_FROZEN, detail)


def depth_share(depth_mm: NDArray[np.uint16]) -> float:
    """Share of the pixels that have a return, of every fourth row and column; (H, W) in mm."""
    seen = depth_mm[::_DEPTH_STRIDE, ::_DEPTH_STRIDE]
    return float(np.count_nonzero(seen)) / max(seen.size, 1)


def _is_same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Bit by bit, in strips: images that differ mostly do so in the first."""
    if a.shape != b.shape:
        return False
    return all(
        np.array_equal(a[row : row + _ROWS], b[row : row + _ROWS])
        for row in range(0, a.shape[0], _ROWS)
    )


def _calibration_changes(before: CameraInfo, now: CameraInfo) -> list[str]:
    changes = []
    if before.serial_no != now.serial_no:
        changes.append(f"serial number {now.serial_no} instead of {before.serial_no}")
    for name in ("color", "depth"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            changes.append(
                f"intrinsics of {name} {new.width}x{new.height} fx {new.fx_px:.2f} instead of"
                f" {old.width}x{old.height} fx {old.fx_px:.2f}"
            )
    if not np.allclose(before.T_color_depth, now.T_color_depth, atol=1e-6):
        changes.append("another place of the depth sensor beside the colour sensor")
    return changes

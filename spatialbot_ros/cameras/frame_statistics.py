"""How well a camera delivers: rate, lost frames, latency. Pure."""

import threading
from dataclasses import dataclass

from spatialbot_ros.ports import CameraFrameset

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class FrameReport:
    """One reporting period.

    Attributes:
        rate_hz: frames per second of their own stamps; 0 with less than two frames.
        num_frames: frames in the period.
        num_lost: gaps in the frame numbers since the camera was connected.
        max_processing_ms: longest time from reading a frameset to the end of publishing it.
        max_age_ms: greatest difference of ROS time and stamp after publishing.
    """

    rate_hz: float
    num_frames: int
    num_lost: int
    max_processing_ms: float
    max_age_ms: float


class FrameStatistics:
    """Counts frames between reports; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_lost = 0
        self._last_number: int | None = None
        self._last_stamp_ns: int | None = None
        self._num_frames = 0
        self._num_intervals = 0
        self._intervals_ns = 0
        self._max_processing_ms = 0.0
        self._max_age_ms = 0.0

    def restart(self) -> None:
        """The camera was connected: its frame numbers start anew."""
        with self._lock:
            self._num_lost = 0
            self._last_number = self._last_stamp_ns = None
            self._clear_period()

    def add(self, frameset: CameraFrameset, processing_ms: float, age_ms: float) -> None:
        """Count a frameset that was dealt with."""
        with self._lock:
            if self._last_number is not None:
                self._num_lost += max(0, frameset.frame_number - self._last_number - 1)
            if self._last_stamp_ns is not None and frameset.stamp_ns > self._last_stamp_ns:
                self._num_intervals += 1
                self._intervals_ns += frameset.stamp_ns - self._last_stamp_ns
            self._last_number = frameset.frame_number
            self._last_stamp_ns = frameset.stamp_ns
            self._num_frames += 1
            self._max_processing_ms = max(self._max_processing_ms, processing_ms)
            self._max_age_ms = max(self._max_age_ms, age_ms)

    def report(self) -> FrameReport:
        """The period since the last report; starts the next one."""
        with self._lock:
            report = FrameReport(
                rate_hz=(
                    self._num_intervals * _NS_PER_S / self._intervals_ns
                    if self._num_intervals
                    else 0.0
                ),
                num_frames=self._num_frames,
                num_lost=self._num_lost,
                max_processing_ms=self._max_processing_ms,
                max_age_ms=self._max_age_ms,
            )
            self._clear_period()
            return report

    def _clear_period(self) -> None:
        self._num_frames = 0
        self._num_intervals = 0
        self._intervals_ns = 0
        self._max_processing_ms = 0.0
        self._max_age_ms = 0.0

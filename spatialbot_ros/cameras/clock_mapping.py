"""A camera's own clock -> ROS time. Pure."""

from collections.abc import Callable

_NS_PER_MS = 1_000_000


class ClockMapping:
    """Keeps the offset between a hardware clock and ROS time.

    Invariant: between two re-basings, differences of stamps are exactly differences of the
    hardware clock, so that jitter of the host never gets into them; stamps never decrease
    by more than the host's own clock does.

    The offset is taken at the first frame and again when the hardware clock runs
    backwards (the device was reset, or its counter wrapped).
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._offset_ns: int | None = None
        self._last_hardware_ns = 0
        self.num_rebases = 0

    def to_ros_ns(self, hardware_ms: float) -> int:
        """ROS time [ns] of a frame with this hardware time stamp [ms]."""
        hardware_ns = round(hardware_ms * _NS_PER_MS)
        if self._offset_ns is None or hardware_ns < self._last_hardware_ns:
            self.num_rebases += self._offset_ns is not None
            self._offset_ns = self._now_ns() - hardware_ns
        self._last_hardware_ns = hardware_ns
        return hardware_ns + self._offset_ns

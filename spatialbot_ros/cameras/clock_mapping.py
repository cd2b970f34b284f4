"""A camera's own clock -> ROS time. Pure."""

from collections.abc import Callable

_NS_PER_MS = 1_000_000
_MAX_LEAD_NS = 200_000_000


class ClockMapping:
    """Keeps the offset between a hardware clock and ROS time.

    Invariant: between two re-basings, differences of stamps are exactly differences of the
    hardware clock, so that jitter of the host never gets into them; stamps always increase, and
    lie at most 0.2 s ahead of the host's clock unless that one runs backwards.

    The offset is taken at the first frame and again when the hardware clock jumps: when it runs
    backwards (the device was reset, or its counter wrapped), or ahead of ROS time. It is not
    taken again for a stamp that is old: a frame that waited for a busy host would look fresh.

    Attributes:
        jumped: the last frame's stamp was mapped anew.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._offset_ns: int | None = None
        self._last_hardware_ns = 0
        self._last_stamp_ns = 0
        self.num_rebases = 0
        self.jumped = False

    def to_ros_ns(self, hardware_ms: float) -> int:
        """ROS time [ns] of a frame with this hardware time stamp [ms]."""
        hardware_ns = round(hardware_ms * _NS_PER_MS)
        now_ns = self._now_ns()
        offset_ns = self._offset_ns
        self.jumped = offset_ns is not None and (
            hardware_ns < self._last_hardware_ns or hardware_ns + offset_ns > now_ns + _MAX_LEAD_NS
        )
        self.num_rebases += self.jumped
        if offset_ns is None or self.jumped:
            stamp_ns = now_ns if offset_ns is None else max(now_ns, self._last_stamp_ns + 1)
            offset_ns = self._offset_ns = stamp_ns - hardware_ns
        self._last_hardware_ns, self._last_stamp_ns = hardware_ns, hardware_ns + offset_ns
        return self._last_stamp_ns

"""Keeps simulation time on an absolute wall-clock schedule."""

import time

from spatialbot_model.contracts.errors import ConfigurationError

_TICK_S = 0.001
_MAX_CATCH_UP_S = 0.05


class Schedule:
    """One `wait` per millisecond tick, at most `speed` simulated seconds per wall second.

    Absolute, so that rounding does not add up (sleeping a millisecond per tick drifts to 0.88 of
    real time). When the machine was busy, at most 50 ms are caught up; the rest is forgotten.
    """

    def __init__(self, speed: float) -> None:
        if not 0.0 < speed <= 100.0:
            raise ConfigurationError(f"speed is {speed}; expected above 0 and at most 100")
        self._period_s = _TICK_S / speed
        self._next_s = 0.0

    def start(self, now_s: float) -> None:
        """The next tick is due now."""
        self._next_s = now_s

    def wait(self) -> None:
        """Sleep until the next tick is due."""
        self._next_s += self._period_s
        ahead_s = self._next_s - time.monotonic()
        if ahead_s > 0.0:
            time.sleep(ahead_s)
        elif ahead_s < -_MAX_CATCH_UP_S:
            self._next_s = time.monotonic() - _MAX_CATCH_UP_S

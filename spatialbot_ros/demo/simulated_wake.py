"""Runs a thread that waits by `nodes.arm_owner.Wake` on simulated time, one step at a time.

Exactly one of the two threads runs at any moment, so that a run is the same on every machine.
"""

import threading

from spatialbot_model.contracts.errors import SimulationError
from spatialbot_ros.robots.memory_arm import ManualClock

_GIVE_UP_S = 120.0


class SimulatedWake:
    """The waiting thread calls `wait` and `clear`; the other one everything else.

    Args:
        clock: moved by `run_until`.
    """

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._is_set = False
        self._parked = False
        self._may_go = False
        self._until_s = 0.0
        self._ended = False

    def wait(self, timeout: float | None = None) -> bool:
        """Hand over to the other thread until it is time."""
        with self._changed:
            if self._ended or self._is_set:
                return self._is_set
            self._until_s = self._clock.now_s + (timeout or 0.0)
            self._parked = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._may_go or self._ended)
            self._may_go = False
            return self._is_set

    def clear(self) -> None:
        """See `Wake`."""
        with self._changed:
            self._is_set = False

    def set(self) -> None:
        """Wake the thread, and return when it waits again."""
        with self._changed:
            self._is_set = True
            if not self._ended:
                self._let_go()

    def begin(self) -> None:
        """Wait until the thread that was started waits for the first time."""
        with self._changed:
            self._await_parked()

    def run_until(self, time_s: float) -> None:
        """Move the clock, and let the thread run whenever its time has come."""
        with self._changed:
            self._await_parked()
            while self._is_set or self._until_s <= time_s:
                self._clock.now_s = max(self._clock.now_s, min(self._until_s, time_s))
                self._let_go()
            self._clock.now_s = time_s

    def skip_until(self, time_s: float) -> None:
        """Move the clock while the thread does not get to run."""
        self._clock.now_s = time_s

    def end(self) -> None:
        """From now on no wait waits; for the thread's end."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _let_go(self) -> None:
        self._await_parked()
        self._parked, self._may_go = False, True
        self._changed.notify_all()
        self._await_parked()

    def _await_parked(self) -> None:
        if not self._changed.wait_for(lambda: self._parked, _GIVE_UP_S):
            raise SimulationError(f"the arm's owner did not wait within {_GIVE_UP_S:g} s")

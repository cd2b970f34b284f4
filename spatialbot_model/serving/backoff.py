"""How long to wait before the next attempt to connect."""

import random


class Backoff:
    """Waiting times that double up to a limit, each shortened at random by up to a half.

    The randomness keeps the robots of a lab from all coming back to a restarted server at once.
    """

    def __init__(self, first_s: float, limit_s: float, source: random.Random | None = None) -> None:
        self._first_s = first_s
        self._limit_s = limit_s
        self._random = random.Random() if source is None else source
        self._next_s = first_s

    def next_s(self) -> float:
        """The next waiting time [s]."""
        delay_s = self._next_s
        self._next_s = min(2.0 * delay_s, self._limit_s)
        return delay_s * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """An attempt succeeded; begin again with the shortest time."""
        self._next_s = self._first_s

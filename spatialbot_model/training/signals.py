"""Ctrl-C and `kill` as a wish to stop, not as an end in the middle of a step."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class StopRequest:
    """Whether somebody wants the training to stop, and by which signal (0 = by nobody)."""

    signal_number: int = 0


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Signals set the request inside; a second one acts as it did before.

    In other threads than the main one, where Python allows no handlers, nothing sets it.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        request.signal_number = number
        signal.signal(number, before[signal.Signals(number)])

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

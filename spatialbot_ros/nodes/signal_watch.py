"""Hears of SIGINT and SIGTERM at once, also while the main thread waits inside rclpy."""

import os
import signal
import threading
from collections.abc import Callable


class SignalWatch:
    """Calls back on a thread of its own; the usual signal handlers run all the same.

    `start` and `close` belong to the main thread.
    """

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._on_signal = on_signal
        self._read_fd = self._write_fd = -1
        self._before_fd = -1

    def start(self) -> None:
        """Begin to listen; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._write_fd, False)
        self._before_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        threading.Thread(target=self._run, name="signal-watch", daemon=True).start()

    def close(self) -> None:
        """Listen no more; allowed more than once."""
        if self._write_fd < 0:
            return
        signal.set_wakeup_fd(self._before_fd)
        os.close(self._write_fd)
        self._write_fd = -1

    def _run(self) -> None:
        while True:
            numbers = os.read(self._read_fd, 16)
            if not numbers:
                os.close(self._read_fd)
                return
            for number in numbers:
                if number in (signal.SIGINT, signal.SIGTERM):
                    self._on_signal(number)

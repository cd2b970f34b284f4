"""Runs a slow gripper in its own thread: a mailbox in which the latest wish wins.

A gripper command takes up to seconds and cannot be interrupted on every device, so a wish
that arrives meanwhile waits for its end; when wishes toggle, only the last one is carried
out. The width is polled all the time, so that reading it never waits.
"""

import logging
import threading
from typing import Protocol

from spatialbot_model.contracts.errors import RobotConnectionError, RobotError

_LOG = logging.getLogger(__name__)


class GripperDevice(Protocol):
    """A two-finger gripper with commands that run in the background; one thread calls it."""

    def start(self, closed: bool) -> None:
        """Begin to grasp or to open."""
        ...

    def finished(self) -> bool:
        """Whether the command ended; raises what it failed with, once."""
        ...

    def read_width_m(self) -> float:
        """Opening between the fingers."""
        ...

    def close(self) -> None:
        """Let a command that is under way run out, and disconnect."""
        ...


class GripperWorker:
    """Owner of one gripper device; `start` and `close` belong to one thread."""

    def __init__(self, device: GripperDevice, poll_s: float = 0.02) -> None:
        self._device = device
        self._poll_s = poll_s
        self._lock = threading.Lock()
        self._wish: bool | None = None
        self._wake = threading.Event()
        self._ending = False
        self._width_m = 0.0
        self._failure: RobotError | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read the width once and begin to serve wishes.

        Raises:
            RobotConnectionError: the gripper does not answer.
        """
        self._width_m = self._device.read_width_m()
        self._thread = threading.Thread(target=self._run, name="gripper", daemon=True)
        self._thread.start()

    def command(self, closed: bool) -> None:
        """Leave a wish; the latest one wins."""
        with self._lock:
            self._wish = closed
        self._wake.set()

    def withdraw(self) -> None:
        """Take back a wish that waits; a command that is under way goes on to its end."""
        with self._lock:
            self._wish = None

    def width_m(self) -> float:
        """Newest width.

        Raises:
            RobotConnectionError: the gripper was lost.
        """
        with self._lock:
            if isinstance(self._failure, RobotConnectionError):
                raise self._failure
            return self._width_m

    def take_failure(self) -> RobotError | None:
        """Why a command or the reading of the width failed, once for each command."""
        with self._lock:
            failure = self._failure
            if not isinstance(failure, RobotConnectionError):
                self._failure = None
            return failure

    def close(self, timeout_s: float = 3.0) -> None:
        """End the thread and the connection; a command that is under way runs out."""
        self._ending = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:
            # without this thread the width would stand still and no wish be carried out
            _LOG.exception("the gripper's owner failed")
            with self._lock:
                self._failure = RobotConnectionError(
                    f"the gripper was given up, {type(error).__name__}: {error}"
                )
        finally:
            self._device.close()

    def _serve(self) -> None:
        busy = False
        done: bool | None = None
        told = ""
        while not self._ending:
            try:
                if busy and self._device.finished():
                    busy = False
                if not busy:
                    with self._lock:
                        wish, self._wish = self._wish, None
                    if wish is not None and wish != done:
                        told = ""
                        self._device.start(wish)
                        busy, done = True, wish
                width_m = self._device.read_width_m()
                with self._lock:
                    self._width_m = width_m
            except RobotConnectionError as error:
                with self._lock:
                    self._failure = error
                return
            except RobotError as error:
                # a failed command counts as not done: the same wish may be tried again
                busy, done = False, None
                if str(error) != told:
                    told = str(error)
                    with self._lock:
                        self._failure = error
            self._wake.wait(self._poll_s)
            self._wake.clear()

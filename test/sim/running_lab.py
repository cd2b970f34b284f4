"""A lab whose physics runs in a thread of the test, and a bounded wait for conditions."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from spatialbot_model.contracts.cell import Cell
from spatialbot_sim.lab import Lab, LabOptions
from spatialbot_sim.tasks import sample_scene

T = TypeVar("T")
TIMEOUT_S = 60.0


class RunningLab:
    """Context manager around `Lab.open`, `run` and `close` in one thread."""

    def __init__(self, cell: Cell, options: LabOptions) -> None:
        self.lab = Lab(cell, options)
        self.address = options.address
        self._opened = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="physics")

    def __enter__(self) -> "RunningLab":
        self._thread.start()
        assert self._opened.wait(TIMEOUT_S)
        if self._error is not None:
            self._thread.join(TIMEOUT_S)
            raise self._error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.lab.stop()
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()
        if self._error is not None and error is None:
            raise self._error

    def call(self, call: Callable[[], T]) -> T:
        """Result of a call between two ticks."""
        return self.lab.submit(call).result(TIMEOUT_S)

    def run_for(self, duration_s: float) -> None:
        """Until simulation time has gone on by this much."""
        end_ns = self.lab.time_ns + round(duration_s * 1e9)
        wait_until(lambda: self.lab.time_ns >= end_ns or self._error is not None)

    def _run(self) -> None:
        try:
            try:
                self.lab.open()
            finally:
                self._opened.set()
            self.lab.run()
        except BaseException as error:
            self._error = error
        finally:
            self.lab.close()


def wait_until(condition: Callable[[], T], timeout_s: float = TIMEOUT_S) -> T:
    """First true value of the condition; fails when none comes in time."""
    ends_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < ends_s, f"not within {timeout_s} s"
        time.sleep(0.002)
    return value


def seed_with_target(kind: str) -> int:
    """A seed of `pick_place` whose target is of this kind."""
    for seed in range(100):
        scene = sample_scene("pick_place", seed)
        if scene.object_named(scene.target).kind == kind:
            return seed
    raise AssertionError(f"no {kind} among a hundred scenes")

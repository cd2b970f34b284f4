"""The grabbing thread: retries, losses, ends. The camera is a test double."""

import queue
import threading
from typing import Any

import numpy as np
import pytest

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraNotFoundError,
    CameraReopenError,
    CameraTimeoutError,
)
from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_ros.cameras import grabber as grabber_module
from spatialbot_ros.cameras.grabber import FrameGrabber
from spatialbot_ros.ports import CameraFrameset, CameraInfo

K = CameraIntrinsics(1, 1, 1.0, 1.0, 0.0, 0.0)
INFO = CameraInfo("double", "1", "0", K, K, np.eye(4), 15.0)
FRAMESET = CameraFrameset(0, 1, np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint16), None)


class CameraDouble:
    """Plays back a list of outcomes of `connect` and `read`; then only times out."""

    def __init__(self, connects: list[Any], reads: list[Any]) -> None:
        self.connects = connects
        self.reads = reads
        self.num_closed = 0
        self.aligns: list[bool] = []

    def connect(self) -> CameraInfo:
        return self._next(self.connects, CameraNotFoundError("nothing there"))

    def read(self, timeout_s: float, *, align: bool = True) -> CameraFrameset:
        self.aligns.append(align)
        return self._next(self.reads, CameraTimeoutError("nothing yet"))

    def close(self) -> None:
        self.num_closed += 1

    @staticmethod
    def _next(outcomes: list[Any], last: Exception) -> Any:
        outcome = outcomes.pop(0) if outcomes else last
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Listener:
    """Collects what it is told."""

    def __init__(self) -> None:
        self.events: queue.Queue[tuple[str, Any]] = queue.Queue()

    def on_connected(self, info: CameraInfo) -> None:
        self.events.put(("connected", info))

    def wants_aligned_depth(self) -> bool:
        return False

    def on_frameset(self, frameset: CameraFrameset) -> None:
        self.events.put(("frameset", frameset))

    def on_nothing(self, error: CameraTimeoutError) -> None:
        self.events.put(("nothing", str(error)))

    def on_camera_lost(self, error: CameraError, retry_s: float) -> None:
        self.events.put(("lost", (str(error), retry_s)))

    def on_failure(self, error: Exception) -> None:
        self.events.put(("failure", error))

    def next(self) -> tuple[str, Any]:
        return self.events.get(timeout=10.0)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grabber_module, "_FIRST_RETRY_S", 0.001)


def grab(camera: CameraDouble, **options: Any) -> tuple[FrameGrabber, Listener]:
    listener = Listener()
    grabber = FrameGrabber(camera, listener, **{"max_retry_s": 0.004, **options})
    grabber.start()
    return grabber, listener


def test_pauses_double_up_to_the_cap_and_every_error_is_told() -> None:
    grabber, listener = grab(CameraDouble([CameraNotFoundError("no luck")] * 5 + [INFO], []))
    events = [listener.next() for _ in range(6)]
    grabber.close()
    assert [kind for kind, _ in events] == ["lost"] * 5 + ["connected"]
    assert [value[1] for kind, value in events if kind == "lost"] == [
        0.001,
        0.002,
        0.004,
        0.004,
        0.004,
    ]
    assert events[0][1][0] == "no luck"


def test_timeouts_are_waited_out_and_framesets_handed_on() -> None:
    camera = CameraDouble([INFO], [CameraTimeoutError("later"), FRAMESET, FRAMESET])
    grabber, listener = grab(camera)
    kinds = [listener.next()[0] for _ in range(4)]
    grabber.close()
    assert kinds == ["connected", "nothing", "frameset", "frameset"]
    assert camera.num_closed == 1
    assert not any(camera.aligns)


def test_a_lost_camera_is_closed_and_connected_again() -> None:
    camera = CameraDouble([INFO, INFO], [FRAMESET, CameraError("unplugged"), FRAMESET])
    grabber, listener = grab(camera)
    kinds = [listener.next()[0] for _ in range(5)]
    grabber.close()
    assert kinds == ["connected", "frameset", "lost", "connected", "frameset"]
    assert camera.num_closed == 2


@pytest.mark.parametrize("told", ["on_frameset", "on_nothing"])
def test_a_listener_may_have_the_camera_opened_again(told: str) -> None:
    class Demanding(Listener):
        def demand(self, what: object) -> None:
            raise CameraReopenError("frozen for too long")

    read = FRAMESET if told == "on_frameset" else CameraTimeoutError("nothing yet")
    camera, listener = CameraDouble([INFO, INFO], [read]), Demanding()
    setattr(listener, told, listener.demand)
    # a camera that had been streaming is looked for again, however short the patience
    grabber = FrameGrabber(camera, listener, max_retry_s=0.001, give_up_after_s=5.0)
    grabber.start()
    events = [listener.next() for _ in range(3)]
    grabber.close()
    assert [kind for kind, _ in events] == ["connected", "lost", "connected"]
    assert events[1][1][0] == "frozen for too long"


def test_it_gives_up_when_told_to_and_names_the_reason() -> None:
    grabber, listener = grab(CameraDouble([], []), give_up_after_s=0.0)
    kind, error = listener.next()
    grabber.close()
    assert kind == "failure"
    assert isinstance(error, CameraError)
    assert "nothing there" in str(error)


def test_a_failing_listener_ends_the_thread_loudly() -> None:
    class Broken(Listener):
        def on_frameset(self, frameset: CameraFrameset) -> None:
            raise RuntimeError("publishing is broken")

    camera, listener = CameraDouble([INFO], [FRAMESET]), Broken()
    grabber = FrameGrabber(camera, listener, max_retry_s=1.0)
    grabber.start()
    assert listener.next()[0] == "connected"
    kind, error = listener.next()
    grabber.close()
    assert kind == "failure"
    assert str(error) == "publishing is broken"
    assert camera.num_closed == 1


def test_closing_interrupts_a_long_pause_and_may_be_repeated() -> None:
    grabber, listener = grab(CameraDouble([], []), max_retry_s=3600.0)
    while listener.next()[1][1] < 0.004:
        pass
    grabber.close()
    grabber.close()
    assert not any(thread.name == "camera" for thread in threading.enumerate())

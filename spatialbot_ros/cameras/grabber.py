"""The thread that owns a camera: connects, reads, and connects again after a loss."""

import threading
import time
from typing import Protocol

from spatialbot_model.contracts.errors import CameraError, CameraTimeoutError
from spatialbot_ros.ports import Camera, CameraFrameset, CameraInfo

_FIRST_RETRY_S = 0.25
EAGER_RETRY_S = 0.1
"""Pause between attempts in the first `EAGER_S` after a loss: an arm holds meanwhile."""
EAGER_S = 10.0
_READ_TIMEOUT_S = 0.1
_JOIN_TIMEOUT_S = 5.0


class FrameListener(Protocol):
    """What the thread tells; every call comes from the grabbing thread."""

    def on_connected(self, info: CameraInfo) -> None:
        """The camera streams."""
        ...

    def wants_aligned_depth(self) -> bool:
        """Asked before each frame: aligning costs time and is done only when needed."""
        ...

    def on_frameset(self, frameset: CameraFrameset) -> None:
        """The next frameset; may raise `CameraError` to have the camera opened again."""
        ...

    def on_nothing(self, error: CameraTimeoutError) -> None:
        """No whole frameset came for a tenth of a second; may raise as `on_frameset`."""
        ...

    def on_camera_lost(self, error: CameraError, retry_s: float) -> None:
        """Not found or lost; the next attempt is in `retry_s` seconds."""
        ...

    def on_failure(self, error: Exception) -> None:
        """The thread has ended for good: waited long enough, or a listener failed."""
        ...


class FrameGrabber:
    """Reads a camera until closed.

    Attempts to connect are repeated with doubling pauses, capped by `max_retry_s`; a camera that
    was lost is looked for ten times a second at first.

    Args:
        give_up_after_s: end when the camera was not found for so long; None waits forever.
    """

    def __init__(
        self,
        camera: Camera,
        listener: FrameListener,
        *,
        max_retry_s: float,
        give_up_after_s: float | None = None,
    ) -> None:
        self._camera = camera
        self._listener = listener
        self._max_retry_s = max_retry_s
        self._give_up_after_s = give_up_after_s
        self._stop = threading.Event()
        self._alive_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    @property
    def silent_s(self) -> float:
        """Seconds since the thread last came back from the camera; below 0 in a pause."""
        return time.monotonic() - self._alive_s

    def start(self) -> None:
        """Start the thread; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Stop the thread and release the camera; allowed more than once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_TIMEOUT_S)

    def _run(self) -> None:
        try:
            self._grab()
        except Exception as error:
            # whatever ends this thread has to end the process, not leave it without images
            self._listener.on_failure(error)
        finally:
            self._camera.close()

    def _grab(self) -> None:
        retry_s = _FIRST_RETRY_S
        looking_since_s = time.monotonic()
        eager_until_s = looking_since_s
        while not self._stop.is_set():
            self._alive_s = time.monotonic()
            streaming = False
            try:
                info = self._camera.connect()
                streaming = True
                self._listener.on_connected(info)
                self._read()
                return
            except CameraError as error:
                self._camera.close()
                if streaming:
                    looking_since_s = time.monotonic()
                    eager_until_s = looking_since_s + EAGER_S
                    retry_s = _FIRST_RETRY_S
                now_s = time.monotonic()
                waited_s = now_s - looking_since_s
                if self._give_up_after_s is not None and waited_s >= self._give_up_after_s:
                    raise CameraError(
                        f"gave up after {waited_s:.0f} s without a camera: {error}"
                    ) from error
                is_eager = now_s < eager_until_s
                pause_s = min(EAGER_RETRY_S if is_eager else retry_s, self._max_retry_s)
                self._listener.on_camera_lost(error, pause_s)
                self._alive_s = time.monotonic() + pause_s
                self._stop.wait(pause_s)
                if not is_eager:
                    retry_s = 2.0 * pause_s

    def _read(self) -> None:
        """Until the camera is lost or the thread is to end."""
        while not self._stop.is_set():
            self._alive_s = time.monotonic()
            try:
                frameset = self._camera.read(
                    _READ_TIMEOUT_S, align=self._listener.wants_aligned_depth()
                )
            except CameraTimeoutError as error:
                self._listener.on_nothing(error)
                continue
            self._listener.on_frameset(frameset)

"""Test double of the simulated lab's end of the frame link: sends what a test tells it to."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.frame_link import (
    ACK_BYTES,
    RawFrame,
    SensorDescription,
    decode_ack,
    encode_frame_header,
    encode_hello,
)
from spatialbot_model.contracts.types import CameraIntrinsics

COLOR = CameraIntrinsics(640, 480, 615.0, 615.0, 320.0, 240.0)
DEPTH = CameraIntrinsics(640, 480, 385.0, 385.0, 320.0, 240.0)
DESCRIPTION = SensorDescription(
    name="Test double camera",
    serial_no="double-1",
    color=COLOR,
    depth=DEPTH,
    depth_to_color_translation_m=(0.015, 0.0, 0.0),
    stereo_baseline_m=0.05,
    rate_hz=15.0,
)
PERIOD_NS = 66_666_667


def make_frame(number: int, stamp_ns: int | None = None, depth_mm: int = 800) -> RawFrame:
    """A frame whose pixels tell its number; depth is a plane facing the camera."""
    color = np.full((COLOR.height, COLOR.width, 3), number % 256, np.uint8)
    color[..., 1] = np.arange(COLOR.width, dtype=np.uint8)
    depth: NDArray[np.uint16] = np.full((DEPTH.height, DEPTH.width), depth_mm, np.uint16)
    depth[0, 0] = number % 65536
    return RawFrame(number, number * PERIOD_NS if stamp_ns is None else stamp_ns, color, depth)


@dataclass
class FrameServerDouble:
    """Serves one client at a time; `send` waits for the acknowledgement."""

    address: str
    description: SensorDescription = DESCRIPTION
    port: int = 0
    acknowledged: list[int] = field(default_factory=list)
    expose: Callable[[int], RawFrame | None] = lambda number: make_frame(number)
    """The frame of a number; None leaves it out."""

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.address, self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._next_number = 1
        self._serving = threading.Event()
        self._streaming = threading.Event()
        self._thread: threading.Thread | None = None

    def accept(self, timeout_s: float = 10.0) -> None:
        self._listener.settimeout(timeout_s)
        self._client, _ = self._listener.accept()
        # librealsense's first pair takes long on a busy machine
        self._client.settimeout(10.0)
        self._client.sendall(encode_hello(self.description))

    def send_bytes(self, data: bytes) -> None:
        self._client.sendall(data)

    def send(self, frame: RawFrame) -> None:
        self.send_bytes(encode_frame_header(frame))
        self.send_bytes(frame.color.tobytes() + frame.depth_mm.tobytes())

    def receive_ack(self) -> int:
        data = b""
        while len(data) < ACK_BYTES:
            part = self._client.recv(ACK_BYTES - len(data))
            if not part:
                raise ConnectionError("the camera closed the connection")
            data += part
        self.acknowledged.append(decode_ack(data))
        return self.acknowledged[-1]

    def serve(self, interval_s: float = 0.005) -> None:
        """Accept cameras from a thread until closed; frames flow once `stream` was called."""
        self._serving.set()
        self._thread = threading.Thread(target=self._serve, args=(interval_s,), daemon=True)
        self._thread.start()

    def stream(self) -> None:
        """Let frames flow, one after each acknowledgement."""
        self._streaming.set()

    def _serve(self, interval_s: float) -> None:
        pause = threading.Event()
        while self._serving.is_set():
            try:
                self.accept(0.2)
                while self._serving.is_set():
                    if self._streaming.wait(0.05):
                        frame = self.expose(self._next_number)
                        self._next_number += 1
                        if frame is not None:
                            self.send(frame)
                            self.receive_ack()
                        pause.wait(interval_s)
            except OSError:
                continue

    def close(self) -> None:
        self._serving.clear()
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)
            self._client.close()
        self._listener.close()
        if self._thread is not None:
            self._thread.join(5.0)

"""A plain client of the frame link, with time-outs."""

import socket
from types import TracebackType

from spatialbot_model.contracts.frame_link import (
    FRAME_PORT,
    HEADER_BYTES,
    LENGTH_BYTES,
    RawFrame,
    SensorDescription,
    decode_frame,
    decode_hello,
    encode_ack,
    hello_length,
    payload_bytes,
)


class FrameReader:
    """Plays the camera node; use as a context manager or `close` it."""

    def __init__(self, address: str) -> None:
        self.socket = socket.create_connection((address, FRAME_PORT), timeout=30.0)
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> "FrameReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def hello(self) -> SensorDescription:
        return decode_hello(self._stream.read(hello_length(self._stream.read(LENGTH_BYTES))))

    def frame(self, description: SensorDescription) -> RawFrame:
        header = self._stream.read(HEADER_BYTES)
        return decode_frame(header, self._stream.read(payload_bytes(header)), description)

    def acknowledge(self, number: int) -> None:
        self.socket.sendall(encode_ack(number))

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

"""Receiving end of the simulated sensor's frame stream: sockets only, no librealsense."""

import contextlib
import socket
import time

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraNotFoundError,
    CameraTimeoutError,
)
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

_CONNECT_TIMEOUT_S = 2.0
_MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


class FrameLinkClient:
    """One connection. A frame that came in half is kept until its rest arrives."""

    def __init__(self, address: str, port: int = FRAME_PORT) -> None:
        self._address = address
        self._port = port
        self._socket: socket.socket | None = None
        self._header = bytearray(HEADER_BYTES)
        self._payload = bytearray()
        self._num_received = 0

    def connect(self) -> SensorDescription:
        """Connect and read the description; takes at most a few seconds.

        Raises:
            CameraNotFoundError: nobody serves frames at the address.
            CameraError: whoever answers does not speak the frame protocol.
        """
        place = f"{self._address}:{self._port}"
        try:
            self._socket = socket.create_connection(
                (self._address, self._port), timeout=_CONNECT_TIMEOUT_S
            )
        except OSError as error:
            raise CameraNotFoundError(
                f"no simulated camera at {place} ({error}). Start the simulation there"
                " (`python -m spatialbot_sim.serve`) or set the camera's `address` parameter."
            ) from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        deadline_s = time.monotonic() + _CONNECT_TIMEOUT_S
        try:
            prefix = bytearray(LENGTH_BYTES)
            self._fill(prefix, 0, deadline_s)
            body = bytearray(hello_length(bytes(prefix)))
            self._fill(body, 0, deadline_s)
            description = decode_hello(bytes(body))
        except CameraTimeoutError as error:
            self.close()
            raise CameraError(
                f"{place} accepted the connection but sent no sensor description within"
                f" {_CONNECT_TIMEOUT_S:g} s; the simulator serves one camera at a time, is"
                " another one connected?"
            ) from error
        except CameraError:
            self.close()
            raise
        self._num_received = 0
        return description

    def receive(self, description: SensorDescription, timeout_s: float) -> RawFrame:
        """The next frame; its arrays are valid until the next call.

        Raises:
            CameraTimeoutError: it did not arrive in time; call again.
            CameraError: the connection is lost.
        """
        deadline_s = time.monotonic() + timeout_s
        received = self._num_received
        if received < HEADER_BYTES:
            self._fill(self._header, received, deadline_s)
        size = payload_bytes(bytes(self._header))
        if size > _MAX_PAYLOAD_BYTES:
            raise CameraError(
                f"the simulator announced a frame of {size} bytes; expected at most"
                f" {_MAX_PAYLOAD_BYTES}. The stream is damaged."
            )
        if len(self._payload) != size:
            self._payload = bytearray(size)
        self._fill(self._payload, self._num_received - HEADER_BYTES, deadline_s, HEADER_BYTES)
        self._num_received = 0
        return decode_frame(bytes(self._header), self._payload, description)

    def acknowledge(self, frame_number: int) -> None:
        """Tell the simulator that the frame was taken.

        Raises:
            CameraError: the connection is lost.
        """
        try:
            self._connection().sendall(encode_ack(frame_number))
        except OSError as error:
            raise self._lost(str(error)) from error

    def close(self) -> None:
        """Drop the connection; allowed more than once."""
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the peer may have closed it first
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None

    def _fill(
        self, buffer: bytearray, filled: int, deadline_s: float, already_received: int = 0
    ) -> None:
        """Receive until the buffer is full, keeping count in case the time runs out."""
        connection = self._connection()
        view = memoryview(buffer)
        while filled < len(buffer):
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0.0:
                raise CameraTimeoutError(
                    f"no complete frame from the simulator at {self._address}:{self._port} in"
                    " time; is the simulation paused?"
                )
            connection.settimeout(remaining_s)
            try:
                count = connection.recv_into(view[filled:])
            except TimeoutError:
                continue
            except OSError as error:
                raise self._lost(str(error)) from error
            if count == 0:
                raise self._lost("it closed the connection")
            filled += count
            self._num_received = already_received + filled

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise CameraError("the simulated camera is not connected; call connect() first")
        return self._socket

    def _lost(self, reason: str) -> CameraError:
        return CameraError(f"lost the simulated camera at {self._address}:{self._port}: {reason}")

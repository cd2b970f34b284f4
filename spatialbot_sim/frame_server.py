"""Sends the rendered sensor frames over loopback TCP; form: `contracts.frame_link`.

One client at a time. Before a frame is sent, the acknowledgement of the one before is waited for,
with a bound: a loaded machine slows the simulation instead of losing frames, and a client that
stalls or goes away never holds it for longer than `ACK_WAIT_S`.
"""

import select
import socket

from spatialbot_model.contracts.errors import AddressInUseError
from spatialbot_model.contracts.frame_link import (
    ACK_BYTES,
    FRAME_PORT,
    RawFrame,
    SensorDescription,
    decode_ack,
    encode_frame_header,
    encode_hello,
)

ACK_WAIT_S = 0.25
_SEND_WAIT_S = 0.6
# both waits together stay below libfranka's time-out of 1 s: the robot's states wait meanwhile
_BUFFER_BYTES = 8 * 1024 * 1024


class FrameServer:
    """Serves one camera client. All methods belong to one thread and never raise for a client."""

    def __init__(self, address: str, description: SensorDescription) -> None:
        self._address = address
        self._description = description
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._unacknowledged: int | None = None
        self._stalled = False

    def open(self) -> None:
        """Bind the frame port.

        Raises:
            AddressInUseError: it is taken.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self._address, FRAME_PORT))
        except OSError as error:
            listener.close()
            raise AddressInUseError(
                f"{self._address}:{FRAME_PORT} is taken, probably by another simulator"
                f" ({error.strerror}). Stop it or choose another loopback address."
            ) from error
        listener.listen(1)
        listener.setblocking(False)
        self._listener = listener

    def unplug(self) -> None:
        """Drop the client and answer nobody until `plug`, as a device that was pulled out."""
        self.close()

    def plug(self) -> None:
        """Answer again after `unplug`; harmless otherwise.

        Raises:
            AddressInUseError: another simulator has taken the port meanwhile.
        """
        if self._listener is None:
            self.open()

    def describe(self, description: SensorDescription) -> None:
        """Report another calibration from now on; a client has to connect again to read it."""
        if description != self._description:
            self._description = description
            self._drop()

    def ready(self) -> bool:
        """True when a client wants a frame; waits, with a bound, for it to take the last one."""
        self._accept()
        if self._client is None:
            return False
        if self._unacknowledged is not None:
            self._receive_ack(0.0 if self._stalled else ACK_WAIT_S)
            self._stalled = self._unacknowledged is not None
        return self._client is not None and self._unacknowledged is None

    def send(self, frame: RawFrame) -> None:
        """Send to the client; one that does not read is dropped."""
        if self._client is None:
            return
        try:
            self._client.settimeout(_SEND_WAIT_S)
            self._client.sendall(encode_frame_header(frame))
            self._client.sendall(frame.color.data)
            self._client.sendall(frame.depth_mm.data)
            self._unacknowledged = frame.frame_number
        except OSError:
            self._drop()

    def close(self) -> None:
        """Release client and port; allowed more than once."""
        self._drop()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._client is not None or self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        client.settimeout(_SEND_WAIT_S)
        self._client, self._unacknowledged, self._stalled = client, None, False
        try:
            client.sendall(encode_hello(self._description))
        except OSError:
            self._drop()

    def _receive_ack(self, timeout_s: float) -> None:
        """Take acknowledgements until the last frame's has come or the time is over."""
        while self._client is not None and self._unacknowledged is not None:
            readable, _, _ = select.select([self._client], [], [], timeout_s)
            if not readable:
                return
            try:
                # eight bytes on a loopback stream arrive together
                data = self._client.recv(ACK_BYTES)
            except OSError:
                data = b""
            if len(data) != ACK_BYTES:
                self._drop()
                return
            if decode_ack(data) >= self._unacknowledged:
                self._unacknowledged = None

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client, self._unacknowledged = None, None

"""The receiving end of the frame link against a peer that behaves and one that does not."""

import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from frame_server_double import DESCRIPTION, FrameServerDouble, make_frame
from own_address import own_address

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraNotFoundError,
    CameraTimeoutError,
)
from spatialbot_model.contracts.frame_link import HEADER_BYTES, encode_frame_header, encode_hello
from spatialbot_ros.cameras import frame_link_client
from spatialbot_ros.cameras.frame_link_client import FrameLinkClient

ADDRESS = own_address()


@pytest.fixture
def server() -> Iterator[FrameServerDouble]:
    double = FrameServerDouble(ADDRESS)
    yield double
    double.close()


@pytest.fixture
def client(server: FrameServerDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrameLinkClient]:
    monkeypatch.setattr(frame_link_client, "_CONNECT_TIMEOUT_S", 0.3)
    link = FrameLinkClient(ADDRESS, server.port)
    yield link
    link.close()


def greet(server: FrameServerDouble, client: FrameLinkClient, monkeypatch, hello: bytes) -> None:
    """Connect with a hello that is already on the wire when the client asks for it."""
    real = socket.create_connection

    def connect_and_greet(*args, **kwargs):
        connection = real(*args, **kwargs)
        server._client, _ = server._listener.accept()
        server._client.settimeout(5.0)
        server._client.sendall(hello)
        return connection

    monkeypatch.setattr(frame_link_client.socket, "create_connection", connect_and_greet)


def test_nobody_there_is_named(client: FrameLinkClient, server: FrameServerDouble) -> None:
    server.close()
    with pytest.raises(CameraNotFoundError, match=rf"{ADDRESS}:{server.port}.*spatialbot_sim"):
        client.connect()


def test_a_silent_peer_is_not_waited_for(client: FrameLinkClient) -> None:
    with pytest.raises(CameraError, match="no sensor description"):
        client.connect()


@pytest.mark.parametrize(
    "hello",
    [b"\xff\xff\xff\xff", b"\x04\x00\x00\x00nope", b"\x00\x00\x00\x00", b"SSH-2.0-OpenSSH\r\n"],
)
def test_another_protocol_is_refused(client, server, monkeypatch, hello: bytes) -> None:
    greet(server, client, monkeypatch, hello)
    with pytest.raises(CameraError):
        client.connect()


def test_description_frames_and_acknowledgements_go_through(client, server, monkeypatch) -> None:
    greet(server, client, monkeypatch, encode_hello(DESCRIPTION))
    assert client.connect() == DESCRIPTION
    for number in (1, 2):
        frame = make_frame(number, stamp_ns=2**62 + number)
        sender = _send_in_background(server, frame)
        received = client.receive(DESCRIPTION, 5.0)
        sender.join(5.0)
        assert (received.frame_number, received.stamp_ns) == (number, 2**62 + number)
        np.testing.assert_array_equal(received.color, frame.color)
        np.testing.assert_array_equal(received.depth_mm, frame.depth_mm)
        client.acknowledge(number)
        assert server.receive_ack() == number


@pytest.mark.parametrize("cut", [3, 36, 200_000])
def test_a_frame_that_arrives_in_two_halves_is_whole(client, server, monkeypatch, cut) -> None:
    greet(server, client, monkeypatch, encode_hello(DESCRIPTION))
    client.connect()
    frame = make_frame(7)
    data = encode_frame_header(frame) + frame.color.tobytes() + frame.depth_mm.tobytes()
    server.send_bytes(data[:cut])
    with pytest.raises(CameraTimeoutError):
        client.receive(DESCRIPTION, 0.05)
    sender = _send_in_background(server, data[cut:])
    received = client.receive(DESCRIPTION, 5.0)
    sender.join(5.0)
    assert received.frame_number == 7
    np.testing.assert_array_equal(received.depth_mm, frame.depth_mm)


def test_a_damaged_stream_is_told(client, server, monkeypatch) -> None:
    greet(server, client, monkeypatch, encode_hello(DESCRIPTION))
    client.connect()
    server.send_bytes(b"\x00" * HEADER_BYTES)
    with pytest.raises(CameraError, match="malformed frame header"):
        client.receive(DESCRIPTION, 1.0)


def test_an_absurd_size_is_refused_before_it_is_waited_for(client, server, monkeypatch) -> None:
    greet(server, client, monkeypatch, encode_hello(DESCRIPTION))
    client.connect()
    header = bytearray(encode_frame_header(make_frame(1)))
    header[-8:] = b"\xff" * 8
    server.send_bytes(bytes(header))
    with pytest.raises(CameraError, match="damaged"):
        client.receive(DESCRIPTION, 1.0)


@pytest.mark.parametrize("num_bytes", [0, 10, HEADER_BYTES + 1000])
def test_a_closed_connection_is_told(client, server, monkeypatch, num_bytes: int) -> None:
    greet(server, client, monkeypatch, encode_hello(DESCRIPTION))
    client.connect()
    frame = make_frame(1)
    server.send_bytes((encode_frame_header(frame) + frame.color.tobytes())[:num_bytes])
    server.close()
    with pytest.raises(CameraError, match="lost the simulated camera"):
        client.receive(DESCRIPTION, 5.0)


def test_using_it_unconnected_is_an_error_and_closing_is_not(client) -> None:
    with pytest.raises(CameraError, match="not connected"):
        client.receive(DESCRIPTION, 0.1)
    client.close()
    client.close()


def _send_in_background(server: FrameServerDouble, what):
    send = server.send_bytes if isinstance(what, bytes) else server.send
    thread = threading.Thread(target=send, args=(what,), daemon=True)
    thread.start()
    return thread

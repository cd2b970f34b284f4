"""The frame server against well-behaved, slow, silent and vanishing clients."""

import socket
from collections.abc import Iterator

import numpy as np
import pytest
from frame_reader import FrameReader

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import AddressInUseError
from spatialbot_model.contracts.frame_link import FRAME_PORT, RawFrame
from spatialbot_sim import frame_server
from spatialbot_sim.frame_server import FrameServer
from spatialbot_sim.lab import describe_sensors


@pytest.fixture
def server(cell: Cell, address: str) -> Iterator[FrameServer]:
    server = FrameServer(address, describe_sensors(cell, 15.0))
    server.open()
    yield server
    server.close()


def frame(number: int) -> RawFrame:
    color = np.full((480, 640, 3), number % 256, np.uint8)
    return RawFrame(number, number * 1_000_000, color, np.full((480, 640), number, np.uint16))


def ready(server: FrameServer) -> bool:
    return any(server.ready() for _ in range(3))


def test_without_a_client_nothing_is_wanted(server: FrameServer) -> None:
    assert not server.ready()
    server.send(frame(1))


def test_hello_describes_the_cells_camera(server: FrameServer, cell: Cell, address: str) -> None:
    client = FrameReader(address)
    assert ready(server)
    hello = client.hello()
    assert hello == describe_sensors(cell, 15.0)
    assert (hello.color, hello.depth) == (cell.camera.color, cell.camera.depth)
    # the depth sensor sits to the right of colour, seen along the optical axis
    T = np.linalg.inv(cell.camera.T_base_color) @ cell.camera.T_base_depth
    assert hello.depth_to_color_translation_m == pytest.approx(T[:3, 3])


def test_one_frame_is_out_until_it_is_acknowledged(
    server: FrameServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_server, "ACK_WAIT_S", 0.01)
    client = FrameReader(address)
    assert ready(server)
    description = client.hello()
    for number in (1, 2):
        sent = frame(number)
        _send(server, client, sent)
        got = client.frame(description)
        assert (got.frame_number, got.stamp_ns) == (number, number * 1_000_000)
        assert np.array_equal(got.color, sent.color)
        assert np.array_equal(got.depth_mm, sent.depth_mm)
        assert not server.ready()
        client.acknowledge(number)
        assert ready(server)


def test_a_stalled_client_is_waited_for_once(
    server: FrameServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FrameReader(address)
    assert ready(server)
    description = client.hello()
    _send(server, client, frame(1))
    client.frame(description)
    waits: list[float] = []
    select = frame_server.select.select
    monkeypatch.setattr(
        frame_server.select,
        "select",
        lambda r, w, x, timeout_s: (waits.append(timeout_s), select(r, w, x, 0.0))[1],
    )
    assert [server.ready() for _ in range(3)] == [False] * 3
    assert waits == [frame_server.ACK_WAIT_S, 0.0, 0.0]
    client.acknowledge(1)
    assert ready(server)


def test_a_client_that_leaves_makes_room_for_the_next(server: FrameServer, address: str) -> None:
    first = FrameReader(address)
    assert ready(server)
    description = first.hello()
    _send(server, first, frame(1))
    first.frame(description)
    first.close()
    second = FrameReader(address)
    assert ready(server)
    assert second.hello() == description
    _send(server, second, frame(2))
    assert second.frame(description).frame_number == 2


def test_a_client_that_does_not_read_is_dropped(
    server: FrameServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_server, "_SEND_WAIT_S", 0.05)
    client = FrameReader(address)
    assert ready(server)
    for number in range(1, 60):
        server.send(frame(number))
    assert not server.ready()
    client.close()


def test_waits_stay_below_libfrankas_time_out() -> None:
    assert frame_server.ACK_WAIT_S + frame_server._SEND_WAIT_S < 1.0


def test_the_port_is_taken(server: FrameServer, cell: Cell, address: str) -> None:
    with pytest.raises(AddressInUseError, match=f"{address}:{FRAME_PORT}"):
        FrameServer(address, describe_sensors(cell, 15.0)).open()
    server.close()
    server.close()


def _send(server: FrameServer, client: FrameReader, sent: RawFrame) -> None:
    """Send while the client's kernel takes what does not fit the sender's buffer."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    server.send(sent)

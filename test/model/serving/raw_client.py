"""Test double of a client: speaks messages one by one, also wrong ones."""

from dataclasses import replace

import pytest
from policy_doubles import WAIT_S, make_frame
from running_server import RunningServer
from test_protocol import STEP
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.serving.messages import PROTOCOL_VERSION, Hello, Message, Step, Welcome
from spatialbot_model.serving.protocol import decode, encode

TOKEN = "a token for tests"
HELLO = Hello(PROTOCOL_VERSION, "", ActionSpec(), "test")


class RawClient:
    """Speaks messages one by one, also wrong ones."""

    def __init__(self, server: RunningServer, **options: object) -> None:
        self.socket: ClientConnection = connect(
            f"{server.url}/policy",
            compression=None,
            max_size=None,
            proxy=None,
            legacy=True,
            **options,
        )

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *error: object) -> None:
        self.socket.close()

    def send(self, message: Message) -> None:
        self.socket.send(encode(message))

    def receive(self) -> Message:
        return decode(self.socket.recv(WAIT_S, decode=False))

    def ask(self, message: Message) -> Message:
        self.send(message)
        return self.receive()

    def open(self) -> str:
        welcome = self.ask(HELLO)
        assert isinstance(welcome, Welcome)
        return welcome.session

    def assert_closed(self) -> None:
        with pytest.raises(ConnectionClosed):
            self.socket.recv(WAIT_S)


def step_message(session: str, seq: int, number: int) -> Step:
    frame = make_frame(number)
    return replace(
        STEP, session=session, seq=seq, stamps_ns=(frame.stamp_ns,), frames=(frame,), timeout_s=60.0
    )

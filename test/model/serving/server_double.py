"""A server that answers as a test scripts it, also in ways in which ours never would."""

import socket
import threading
from collections.abc import Callable
from dataclasses import replace

from own_address import own_address
from policy_doubles import WAIT_S
from websockets.sync.server import Server, ServerConnection, serve

from spatialbot_model.serving.messages import Answer, Done, Hello, Message, Start, Step, Welcome
from spatialbot_model.serving.protocol import decode, encode

Script = Callable[[ServerConnection, Message], None]


class ServerDouble:
    """Says welcome, then leaves every message to the script."""

    def __init__(self, script: Script, welcome: Welcome | None = None) -> None:
        self.sessions = 0
        self.messages: list[Message] = []
        self._script = script
        self._welcome = welcome
        self._host = own_address()
        listening = socket.create_server((self._host, 0))
        # little that the system takes on behalf of a script that does not read
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._server: Server = serve(
            self._serve,
            sock=listening,
            compression=None,
            max_size=None,
            max_queue=1,
            close_timeout=WAIT_S,
        )
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> "ServerDouble":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join(WAIT_S)

    @property
    def url(self) -> str:
        return f"ws://{self._host}:{self._server.socket.getsockname()[1]}"

    @property
    def steps(self) -> list[Step]:
        """The steps that came, in order."""
        return [message for message in self.messages if isinstance(message, Step)]

    def _serve(self, connection: ServerConnection) -> None:
        hello = decode(connection.recv(decode=False))
        assert isinstance(hello, Hello)
        self.sessions += 1
        welcome = Welcome(f"session {self.sessions}", "scripted", hello.action_spec, "test", True)
        if self._welcome is not None:
            welcome = replace(self._welcome, session=welcome.session)
        connection.send(encode(welcome))
        for data in connection:
            message = decode(data)
            self.messages.append(message)
            self._script(connection, message)


def start_is_done(connection: ServerConnection, message: Message) -> bool:
    """Answer a start; whether it was one."""
    if isinstance(message, Start):
        connection.send(encode(Done(message.session, message.seq)))
    return isinstance(message, Start)


def send_answer(connection: ServerConnection, answer: Answer) -> None:
    """Send one answer."""
    connection.send(encode(answer))

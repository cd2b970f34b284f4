"""One attempt of a client to reach its server: ssh if asked for, TLS if asked for, hello."""

import asyncio
import socket
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from spatialbot_model.contracts.errors import PolicyConnectionError, ProtocolError
from spatialbot_model.serving.client_options import ClientOptions
from spatialbot_model.serving.credentials import client_tls
from spatialbot_model.serving.failures import failure_error
from spatialbot_model.serving.messages import PROTOCOL_VERSION, Failure, Hello, Welcome
from spatialbot_model.serving.options import software_name
from spatialbot_model.serving.protocol import MAX_MESSAGE_BYTES, decode, encode
from spatialbot_model.serving.ssh import SshTunnel

_PING_INTERVAL_S = 5.0
_PING_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 1.0
_SEND_BUFFER_BYTES = 4 * 2**20


class Dialer:
    """Makes connections, one after another; keeps the ssh tunnel between attempts."""

    def __init__(self, options: ClientOptions) -> None:
        self._options = options
        self._tunnel = None if options.ssh is None else SshTunnel(options.ssh)
        self._tunnel_port = 0

    async def dial(self) -> tuple[ClientConnection, Welcome]:
        """Connect and say hello.

        Raises:
            PolicyConnectionError: not reached, or no session is free; worth another attempt.
            ConfigurationError, ProtocolError: refused, for a reason that will last.
        """
        timeout_s = self._options.connect_timeout_s
        connection = await self._open(timeout_s)
        try:
            welcome = await asyncio.wait_for(self._say_hello(connection), timeout_s)
        except (ConnectionClosed, asyncio.TimeoutError) as error:
            connection.transport.abort()
            reason = str(error) or "time-out"
            raise PolicyConnectionError(f"the server did not answer the hello: {reason}") from error
        except BaseException:
            connection.transport.abort()
            raise
        return connection, welcome

    async def close(self) -> None:
        """End the ssh tunnel."""
        if self._tunnel is not None:
            await self._tunnel.close()

    async def _open(self, timeout_s: float) -> ClientConnection:
        options = self._options
        address: dict[str, Any] = {}
        if self._tunnel is not None:
            if not self._tunnel.is_open:
                self._tunnel_port = await self._tunnel.open(*options.server_address, timeout_s)
            address = {"host": "127.0.0.1", "port": self._tunnel_port}
        if options.is_secure:
            address["ssl"] = client_tls(options.ca_file)
        try:
            connection = await connect(
                options.url,
                compression=None,
                # a robot's policy is never behind the web proxy that the environment may name
                proxy=None,
                max_size=MAX_MESSAGE_BYTES,
                open_timeout=timeout_s,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=_PING_INTERVAL_S,
                ping_timeout=_PING_TIMEOUT_S,
                **address,
            )
        except (OSError, asyncio.TimeoutError, InvalidURI, WebSocketException) as error:
            raise PolicyConnectionError(str(error) or type(error).__name__) from error
        # a whole frame at once; by default the event loop wakes for every piece of it
        raw: socket.socket = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        return connection

    async def _say_hello(self, connection: ClientConnection) -> Welcome:
        options = self._options
        hello = Hello(PROTOCOL_VERSION, options.token, options.action_spec, software_name())
        await connection.send(encode(hello))
        reply = decode(await connection.recv(decode=False))
        if isinstance(reply, Failure):
            raise failure_error(reply.code, reply.text)
        if not isinstance(reply, Welcome):
            raise ProtocolError(f"the server answered hello with {type(reply).__name__}")
        options.action_spec.check_compatible(reply.action_spec)
        return reply

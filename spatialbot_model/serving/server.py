"""The policy server: hosts one policy per client session over WebSocket.

`/policy` speaks `messages`; `/health` (JSON) and `/metrics` (Prometheus) answer plain HTTP GET on
the same port and give away counts only. Everything runs on one event loop, policies in a thread
per session; a lock round a model that sessions share is the policy's business.
"""

import asyncio
import contextlib
import json
import logging
import time
from http import HTTPStatus

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    PolicyConnectionError,
    ProtocolError,
    SpatialBotError,
)
from spatialbot_model.serving import failures
from spatialbot_model.serving.credentials import is_loopback, server_tls, tokens_match
from spatialbot_model.serving.messages import (
    POLICY_PATH,
    PROTOCOL_VERSION,
    Failure,
    Hello,
    Message,
    Welcome,
)
from spatialbot_model.serving.metrics import ServerMetrics
from spatialbot_model.serving.options import ServerOptions, software_name
from spatialbot_model.serving.protocol import MAX_MESSAGE_BYTES, decode, encode
from spatialbot_model.serving.sessions import MakePolicy, Session, describe_defect

_MAX_HELLO_BYTES = 65536
_MAX_STRANGERS = 16
"""Connections that have not said hello; bounds what they can make the server hold."""
_log = logging.getLogger(__name__)


class _RefusedError(Exception):
    """A client that gets no session; `code` goes over the wire."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class PolicyServer:
    """See the module docstring; `start` opens the port, `stop` ends everything."""

    def __init__(self, options: ServerOptions, make_policy: MakePolicy) -> None:
        self.metrics = ServerMetrics()
        self._options = options
        self._make_policy = make_policy
        self._server: Server | None = None
        self._sessions: dict[ServerConnection, Session] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._started_s = 0.0
        self._stopping = False
        self._strangers = 0
        # closes in progress, and sessions whose policy does not end
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port that is really bound; 0 before `start`."""
        if self._server is None:
            return 0
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called; nothing new is begun."""
        return self._stopping

    async def start(self) -> None:
        """Bind and accept clients.

        Raises:
            ConfigurationError: the address cannot be bound or the certificate not be used.
        """
        options = self._options
        tls = server_tls(options.certificate_file, options.private_key_file)
        if tls is None and not is_loopback(options.host):
            _log.warning("no TLS: token and images cross the network unencrypted")
        try:
            self._server = await serve(
                self._serve_connection,
                options.host,
                options.port,
                # a browser always names an origin: no web page may talk to a robot's policy
                origins=[None],
                compression=None,
                max_size=MAX_MESSAGE_BYTES,
                max_queue=2,
                process_request=self._answer_http,
                open_timeout=options.hello_timeout_s,
                close_timeout=options.grace_s,
                ssl=tls,
            )
        except OSError as error:
            raise ConfigurationError(
                f"cannot bind a policy server to {options.host}:{options.port}: {error}"
            ) from error
        self._started_s = time.monotonic()
        self._sweeper = asyncio.create_task(self._expire_sessions())
        _log.info("policy %s is served on %s:%d", options.policy_name, options.host, self.port)

    async def stop(self) -> None:
        """Refuse new clients, let running steps end for a moment, close all connections."""
        if self._server is None:
            return
        self._stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        quiet = [asyncio.create_task(session.wait_quiet()) for session in self._sessions.values()]
        if quiet:
            _, busy = await asyncio.wait(quiet, timeout=self._options.grace_s)
            for task in busy:
                task.cancel()
        self._server.close()
        await self._server.wait_closed()
        self._server = None

    async def _serve_connection(self, connection: ServerConnection) -> None:
        try:
            self._strangers += 1
            try:
                hello = await self._receive_hello(connection)
            finally:
                self._strangers -= 1
            session = await self._open_session(connection, hello)
        except ConnectionClosed:
            return
        except Exception as error:
            await self._refuse(connection, error)
            return
        running = asyncio.create_task(session.run())
        try:
            await self._receive_requests(connection, session)
        except (ConnectionClosed, PolicyConnectionError):
            _log.info("session %s: the client is gone", session.id[:8])
        except ProtocolError as error:
            self.metrics.malformed_messages += 1
            _log.warning("session %s ends: %s", session.id[:8], error)
            await self._send_last(connection, describe_defect(error))
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError, PolicyConnectionError):
                await running
            await self._close_session(connection, session)

    async def _close_session(self, connection: ServerConnection, session: Session) -> None:
        """A session keeps its place until its policy has ended, so that threads are bounded."""
        closed = asyncio.create_task(session.close())
        self._closing.add(closed)

        def release(task: "asyncio.Task[None]") -> None:
            self._closing.discard(task)
            del self._sessions[connection]
            self.metrics.sessions -= 1

        closed.add_done_callback(release)
        _, running = await asyncio.wait({closed}, timeout=self._options.grace_s)
        if running:
            _log.warning("session %s: its policy call does not end", session.id[:8])

    async def _receive_hello(self, connection: ServerConnection) -> Hello:
        try:
            data = await asyncio.wait_for(
                connection.recv(decode=False), self._options.hello_timeout_s
            )
        except asyncio.TimeoutError as error:
            raise ProtocolError("no hello came in time") from error
        if len(data) > _MAX_HELLO_BYTES:
            raise ProtocolError(f"a hello of {len(data)} bytes")
        hello = decode(data)
        if not isinstance(hello, Hello):
            raise ProtocolError(f"{type(hello).__name__} came first; expected hello")
        return hello

    async def _open_session(self, connection: ServerConnection, hello: Hello) -> Session:
        options = self._options
        if hello.version != PROTOCOL_VERSION:
            raise ProtocolError(
                f"the client speaks protocol {hello.version}, this server {PROTOCOL_VERSION}; use"
                " the same software version on both sides"
            )
        if options.token and not tokens_match(hello.token, options.token):
            raise _RefusedError(failures.UNAUTHORIZED, "the token is missing or wrong")
        if self._stopping:
            raise _RefusedError(failures.BUSY, "the server is stopping")
        if len(self._sessions) >= options.max_sessions:
            raise _RefusedError(
                failures.BUSY, f"all {options.max_sessions} sessions are taken; ask again later"
            )

        async def send(message: Message) -> None:
            data = encode(message)
            try:
                await connection.send(data)
            except ConnectionClosed as error:
                raise PolicyConnectionError("the client is gone") from error

        session = Session(send, self.metrics, options.step_timeout_s)
        # counted from now on: making a policy may take long
        self._sessions[connection] = session
        self.metrics.sessions += 1
        try:
            await session.open(self._make_policy, hello.action_spec)
            await send(
                Welcome(
                    session.id,
                    options.policy_name,
                    hello.action_spec,
                    software_name(),
                    session.resumes_from_frames,
                )
            )
        except BaseException:
            await self._close_session(connection, session)
            raise
        self.metrics.sessions_opened += 1
        session.last_used_s = time.monotonic()
        _log.info("session %s opened for %r", session.id[:8], hello.software[:80])
        return session

    async def _receive_requests(self, connection: ServerConnection, session: Session) -> None:
        while True:
            data = await connection.recv(decode=False)
            self.metrics.bytes_received += len(data)
            message = decode(data)
            if self._stopping:
                seq = getattr(message, "seq", 0)
                failure = Failure(session.id, seq, failures.BUSY, "the server is stopping")
                await connection.send(encode(failure))
                continue
            await session.accept(message)

    async def _refuse(self, connection: ServerConnection, error: Exception) -> None:
        if isinstance(error, _RefusedError):
            failure = Failure("", 0, error.code, str(error))
        else:
            failure = describe_defect(error)
        self.metrics.connections_refused[failure.code] += 1
        if isinstance(error, SpatialBotError | _RefusedError):
            _log.warning("a client was refused: %s", error)
        else:
            _log.error("a session could not be opened", exc_info=error)
        await self._send_last(connection, failure)

    async def _send_last(self, connection: ServerConnection, failure: Failure) -> None:
        with contextlib.suppress(ConnectionClosed):
            await connection.send(encode(failure))
            await connection.close()

    async def _expire_sessions(self) -> None:
        idle_s = self._options.idle_timeout_s
        while True:
            await asyncio.sleep(min(1.0, idle_s / 4.0))
            for connection, session in list(self._sessions.items()):
                if time.monotonic() - session.last_used_s > idle_s:
                    _log.info("session %s expires", session.id[:8])
                    self.metrics.failures[failures.EXPIRED] += 1
                    session.last_used_s = time.monotonic()
                    failure = Failure(session.id, 0, failures.EXPIRED, f"idle for {idle_s} s")
                    # not awaited: a client that does not listen must not hold up the others
                    task = asyncio.create_task(self._send_last(connection, failure))
                    self._closing.add(task)
                    task.add_done_callback(self._closing.discard)

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        path = request.path.partition("?")[0]
        if path == POLICY_PATH:
            if self._strangers < _MAX_STRANGERS:
                return None
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections\n")
        if path == "/health":
            return _page(connection, json.dumps(self._health()) + "\n", "application/json")
        if path == "/metrics":
            return _page(connection, self.metrics.render(), "text/plain; version=0.0.4")
        return connection.respond(
            HTTPStatus.NOT_FOUND, f"only {POLICY_PATH}, /health and /metrics are here\n"
        )

    def _health(self) -> dict[str, object]:
        return {
            "status": "ok",
            "policy": self._options.policy_name,
            "protocol": PROTOCOL_VERSION,
            "software": software_name(),
            "sessions": self.metrics.sessions,
            "max_sessions": self._options.max_sessions,
            "uptime_s": round(time.monotonic() - self._started_s, 3),
        }


def _page(connection: ServerConnection, text: str, content_type: str) -> Response:
    response = connection.respond(HTTPStatus.OK, text)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = content_type
    return response

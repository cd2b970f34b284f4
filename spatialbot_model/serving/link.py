"""The client's side of one policy server on an event loop: connects, reconnects, asks.

At most one message is on its way to the server at a time; what takes longer than a step may
take is the step's time-out, never a growing queue. Every request is given a number that no other
request of this link has, and an answer is used only if somebody still waits for this number in
this session.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from spatialbot_model.contracts.errors import (
    PolicyConnectionError,
    PolicyError,
    ProtocolError,
    SpatialBotError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving import failures
from spatialbot_model.serving.backoff import Backoff
from spatialbot_model.serving.client_options import ClientCounters, ClientOptions
from spatialbot_model.serving.dial import Dialer
from spatialbot_model.serving.frame_store import SentFrames
from spatialbot_model.serving.messages import (
    Answer,
    Done,
    Failure,
    Message,
    Reset,
    Start,
    Step,
    Welcome,
)
from spatialbot_model.serving.protocol import decode, encode

_CLOSE_TIMEOUT_S = 2.0
_log = logging.getLogger(__name__)

_Reply = Done | Answer | Failure


@dataclass(slots=True)
class _Session:
    """One connection and what the server at its other end knows."""

    socket: ClientConnection
    welcome: Welcome
    frames: SentFrames = field(default_factory=SentFrames)
    instruction: str | None = None
    sending: "asyncio.Task[None] | None" = None
    pending: "dict[int, asyncio.Future[_Reply]]" = field(default_factory=dict)


class _ExpiredError(PolicyConnectionError):
    """The server closed a session that was not used."""


class PolicyLink:
    """See the module docstring; everything is called on the event loop that runs `run`."""

    def __init__(
        self,
        options: ClientOptions,
        backoff: Backoff,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counters = ClientCounters()
        self._options = options
        self._backoff = backoff
        self._sleep = sleep
        self._session: _Session | None = None
        self._dialer = Dialer(options)
        self._changed = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._reason: SpatialBotError = PolicyConnectionError("not connected yet")
        self._stopped = False
        self._num_attempts = 0
        self._seq = 0
        self._instruction: str | None = None
        self._num_answers = 0
        self._lost_answer = False
        self.resumes_from_frames = False

    @property
    def welcome(self) -> Welcome | None:
        """What the server said of itself; None without a connection."""
        return None if self._session is None else self._session.welcome

    async def run(self) -> None:
        """Keep a connection until `stop` and cancellation."""
        try:
            # a cancellation alone may be lost: asyncio.wait_for swallows one that comes just when
            # what it waits for is done (Python < 3.12)
            while not self._stopped:
                try:
                    session = _Session(*await self._dialer.dial())
                except SpatialBotError as refused:
                    self._num_attempts += 1
                    await self._set(None, refused)
                else:
                    await self._use(session)
                if not self._stopped:
                    await self._sleep(self._backoff.next_s())
        finally:
            if self._session is not None:
                await self._drop(self._session, PolicyConnectionError("the client was closed"))
            await self._dialer.close()

    def stop(self) -> None:
        """Let `run` end; it is to be cancelled as well."""
        self._stopped = True

    async def wait_connected(self) -> None:
        """Wait for a connection; an attempt from now on that is refused raises why.

        Raises:
            SpatialBotError: the server or the ssh machine refuses this client.
        """
        self._wanted.set()
        async with self._changed:
            seen = self._num_attempts
            while self._session is None:
                refused = not isinstance(self._reason, PolicyConnectionError)
                if refused and self._num_attempts > seen:
                    raise self._reason
                await self._changed.wait()

    def disconnected_error(self) -> SpatialBotError:
        """Why there is no connection."""
        if isinstance(self._reason, PolicyConnectionError):
            return PolicyConnectionError(
                f"no connection to the policy server {self._options.url}: {self._reason}"
            )
        return self._reason

    async def start(self, instruction: str) -> None:
        """Begin an instruction; waits for a connection."""
        await self.wait_connected()
        session = self._require()
        self._instruction, self._num_answers, self._lost_answer = instruction, 0, False
        await self._start_on(session, instruction)

    async def reset(self) -> None:
        """Forget instruction and frames on both sides."""
        self._instruction, self._num_answers, self._lost_answer = None, 0, False
        session = self._session
        if session is None:
            return
        session.frames.clear()
        session.instruction = None
        reply = await self._ask(session, lambda seq: Reset(session.welcome.session, seq))
        _expect(Done, reply)

    async def step(self, observation: Observation, timeout_s: float) -> PolicyStep:
        """Ask for one step; being cancelled is a time-out."""
        session = self._require()
        instruction = self._instruction
        if instruction is None:
            raise PolicyError("no instruction was started; call start(instruction) first")
        self._check_can_go_on(session)
        if session.instruction != instruction:
            await self._start_on(session, instruction)
        self._lost_answer = True
        begun_s = asyncio.get_running_loop().time()
        for _ in range(2):
            reply = await self._ask_step(session, observation, timeout_s)
            if not (isinstance(reply, Failure) and reply.code == failures.MISSING_FRAMES):
                break
            session.frames.clear()
        if isinstance(reply, Failure) and reply.code not in (
            *(failures.TIMEOUT, failures.SUPERSEDED, failures.BUSY),
        ):
            self._lost_answer = False
        step: PolicyStep = _expect(Answer, reply).step
        self._lost_answer = False
        self._num_answers += 1
        self.counters.steps += 1
        round_trip_ms = (asyncio.get_running_loop().time() - begun_s) * 1e3
        transport_ms = max(0.0, round_trip_ms - step.stage_ms.get("server", 0.0))
        return replace(step, stage_ms={**step.stage_ms, "transport": transport_ms})

    def _require(self) -> _Session:
        if self._session is None:
            self._wanted.set()
            raise self.disconnected_error()
        return self._session

    def _check_can_go_on(self, session: _Session) -> None:
        if session.welcome.resumes_from_frames:
            return
        if self._lost_answer or (session.instruction is None and self._num_answers > 0):
            raise PolicyError(
                f"an answer or the connection was lost in the middle of an instruction, and the"
                f" policy {session.welcome.policy!r} cannot go on from frames alone; home the arm"
                " and start the instruction again"
            )

    async def _start_on(self, session: _Session, instruction: str) -> None:
        session.frames.clear()
        session.instruction = None
        reply = await self._ask(
            session, lambda seq: Start(session.welcome.session, seq, instruction)
        )
        _expect(Done, reply)
        session.instruction = instruction

    async def _ask_step(
        self, session: _Session, observation: Observation, timeout_s: float
    ) -> _Reply:
        def make(seq: int) -> Step:
            frames = session.frames.select(observation.frames)
            step = Step(
                session.welcome.session,
                seq,
                tuple(frame.stamp_ns for frame in observation.frames),
                frames,
                observation.instruction,
                np.asarray(observation.T_base_camera, dtype=np.float64),
                timeout_s,
                observation.robot,
            )
            session.frames.remember(observation.frames)
            self.counters.frames_sent += len(frames)
            return step

        return await self._ask(session, make)

    async def _ask(self, session: _Session, make: Callable[[int], Message]) -> _Reply:
        """Send what `make` makes of a new sequence number and wait for its reply."""
        while session.sending is not None and not session.sending.done():
            await asyncio.wait({session.sending})
        if session is not self._session:
            raise self.disconnected_error()
        self._seq += 1
        seq = self._seq
        data = encode(make(seq))
        self.counters.bytes_sent += len(data)
        reply: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        session.pending[seq] = reply
        # a task of its own: a caller that gives up must not leave half a message behind
        session.sending = asyncio.create_task(_send(session.socket, data))
        try:
            return await reply
        finally:
            session.pending.pop(seq, None)

    async def _receive(self, session: _Session) -> SpatialBotError:
        """Hand out replies until the connection ends; returns why it did."""
        ended: SpatialBotError = PolicyConnectionError("the connection was lost")
        try:
            while True:
                message = decode(await session.socket.recv(decode=False))
                if isinstance(message, Failure) and message.seq == 0:
                    # about the session as a whole; the server closes it
                    ended = failures.failure_error(message.code, message.text)
                    if message.code == failures.EXPIRED:
                        ended = _ExpiredError(message.text)
                elif not isinstance(message, Done | Answer | Failure):
                    raise ProtocolError(f"the server sent {type(message).__name__}")
                elif message.session != session.welcome.session:
                    self.counters.foreign_answers += 1
                else:
                    waiting = session.pending.pop(message.seq, None)
                    if waiting is None or waiting.done():
                        self.counters.late_answers += 1
                    else:
                        waiting.set_result(message)
        except ConnectionClosed:
            return ended
        except ProtocolError as error:
            _log.warning("the policy server is not understood: %s", error)
            return error

    async def _set(self, session: _Session | None, reason: SpatialBotError) -> None:
        async with self._changed:
            self._session, self._reason = session, reason
            self._changed.notify_all()

    async def _use(self, session: _Session) -> None:
        """One connection from its welcome to its end."""
        self._backoff.reset()
        self.counters.connections += 1
        self.resumes_from_frames = session.welcome.resumes_from_frames
        await self._set(session, self._reason)
        if self._stopped:
            return
        ended = await self._receive(session)
        self._wanted.clear()
        await self._drop(session, ended)
        if isinstance(ended, _ExpiredError) and not self._stopped:
            # nobody needed the server; come back when somebody does
            await self._wanted.wait()

    async def _drop(self, session: _Session, error: SpatialBotError) -> None:
        await self._set(None, error)
        for waiting in session.pending.values():
            if not waiting.done():
                waiting.set_exception(
                    error
                    if not isinstance(error, PolicyConnectionError)
                    else PolicyConnectionError(f"the connection was lost: {error}")
                )
        if session.sending is not None:
            session.sending.cancel()
        try:
            await asyncio.wait_for(session.socket.close(), _CLOSE_TIMEOUT_S)
        except (OSError, asyncio.TimeoutError, WebSocketException) as failure:
            _log.debug("the connection did not close in order: %s", failure)
        finally:
            session.socket.transport.abort()


async def _send(socket: ClientConnection, data: bytes) -> None:
    try:
        await socket.send(data)
    except ConnectionClosed:
        _log.debug("the connection ended while sending")  # whoever receives finds out as well


def _expect(reply_class: type[Any], reply: _Reply) -> Any:
    if isinstance(reply, Failure):
        raise failures.failure_error(reply.code, reply.text)
    if not isinstance(reply, reply_class):
        raise ProtocolError(
            f"the server answered with {type(reply).__name__}, expected {reply_class.__name__}"
        )
    return reply

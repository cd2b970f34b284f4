"""One client's session on the server: its policy, its frames and the step that waits.

No sockets here: a session is given messages and a function that sends. Requests are carried out
one at a time and in order; of several steps that wait only the newest is kept, because an answer
to an old observation is of no use to a robot.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import PolicyError, ProtocolError, SpatialBotError
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import Policy, resumes_from_frames
from spatialbot_model.serving import failures
from spatialbot_model.serving.frame_store import ReceivedFrames
from spatialbot_model.serving.messages import (
    Answer,
    Done,
    Failure,
    Message,
    Ping,
    Reset,
    Start,
    Step,
)
from spatialbot_model.serving.metrics import ServerMetrics
from spatialbot_model.serving.worker import PolicyWorker

MakePolicy = Callable[[ActionSpec], Policy]
"""Makes the policy of one session; called in the session's own thread."""

_MAX_WAITING = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that waits; `observation` is complete, frames included."""

    message: Start | Step | Reset
    arrived_s: float
    observation: Observation | None = None


class Session:
    """See the module docstring. Used from the event loop; `open` comes first, `close` last."""

    def __init__(
        self,
        send: Callable[[Message], Awaitable[None]],
        metrics: ServerMetrics,
        step_timeout_s: float,
    ) -> None:
        self.id = secrets.token_hex(16)
        self.last_used_s = time.monotonic()
        self.resumes_from_frames = False
        self._send = send
        self._metrics = metrics
        self._step_timeout_s = step_timeout_s
        self._worker = PolicyWorker(f"policy-{self.id[:8]}")
        self._policy: Policy | None = None
        self._frames = ReceivedFrames()
        self._waiting: deque[_Request] = deque()
        self._wake = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._last_seq = 0

    async def open(self, make_policy: MakePolicy, spec: ActionSpec) -> None:
        """Make the policy.

        Raises:
            SpatialBotError: the policy cannot be made for this action spec.
        """
        self._worker.start()
        self._policy = await self._worker.call(lambda: make_policy(spec))
        self.resumes_from_frames = resumes_from_frames(self._policy)

    async def close(self) -> None:
        """Close the policy and end the thread, after the call that is running."""
        ended = self._worker.call(self._close_policy)
        self._worker.stop()
        try:
            await ended
        except Exception as error:
            _log.error("closing a policy failed", exc_info=error)

    async def wait_quiet(self) -> None:
        """Wait until no request is carried out or waits."""
        await self._quiet.wait()

    async def accept(self, message: Message) -> None:
        """Take a request; returns before it is carried out.

        Raises:
            ProtocolError: not a request of this session, or out of sequence.
        """
        if not isinstance(message, Start | Step | Reset | Ping):
            raise ProtocolError(
                f"a {type(message).__name__} message came in the middle of a session; expected"
                " start, step, reset or ping"
            )
        if message.session != self.id:
            raise ProtocolError("a request names another session than the one it was sent in")
        if message.seq <= self._last_seq:
            raise ProtocolError(
                f"request {message.seq} came after {self._last_seq}; sequence numbers must grow"
            )
        self._last_seq = message.seq
        self.last_used_s = time.monotonic()
        if isinstance(message, Ping):
            await self._send(Done(self.id, message.seq))
        elif isinstance(message, Step):
            await self._accept_step(message)
        else:
            await self._supersede()
            self._frames.clear()
            await self._enqueue(_Request(message, self.last_used_s))

    async def run(self) -> None:
        """Carry out requests until cancelled."""
        while True:
            while not self._waiting:
                self._quiet.set()
                self._wake.clear()
                await self._wake.wait()
            request = self._waiting.popleft()
            try:
                if isinstance(request.message, Step):
                    await self._step(request)
                else:
                    await self._start(request)
            except Exception as error:
                # what the policy raised or what cannot be sent; raises again if nobody listens
                await self._fail_with(request.message.seq, error)

    async def _accept_step(self, message: Step) -> None:
        self._metrics.frames += len(message.frames)
        frames = self._frames.receive(message.stamps_ns, message.frames)
        if frames is None:
            await self._fail(message.seq, failures.MISSING_FRAMES, "frames are missing")
            return
        observation = Observation(frames, message.instruction, message.T_base_camera, message.robot)
        await self._supersede()
        await self._enqueue(_Request(message, self.last_used_s, observation))

    async def _supersede(self) -> None:
        """Drop the steps that wait."""
        steps = [r.message for r in self._waiting if isinstance(r.message, Step)]
        self._waiting = deque(r for r in self._waiting if not isinstance(r.message, Step))
        for step in steps:
            await self._fail(step.seq, failures.SUPERSEDED, "a newer request took its place")

    async def _enqueue(self, request: _Request) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            await self._fail(request.message.seq, failures.BUSY, "too many requests wait")
            return
        self._waiting.append(request)
        self._quiet.clear()
        self._wake.set()

    async def _start(self, request: _Request) -> None:
        message = request.message
        policy = self._policy
        assert policy is not None
        if isinstance(message, Start):
            instruction = message.instruction
            started = self._worker.call(lambda: policy.start(instruction))
        else:
            # a policy has no other way to forget; the next instruction starts it
            started = self._worker.call(lambda: None)
        await started
        await self._send(Done(self.id, message.seq))

    async def _step(self, request: _Request) -> None:
        message, observation, policy = request.message, request.observation, self._policy
        assert isinstance(message, Step) and observation is not None and policy is not None
        limit_s = min(self._step_timeout_s, message.timeout_s)
        left_s = request.arrived_s + limit_s - time.monotonic()
        if left_s <= 0.0:
            await self._fail(message.seq, failures.TIMEOUT, f"not begun within {limit_s:.2f} s")
            return
        begun_s = time.monotonic()
        answering = self._worker.call(lambda: policy.step(observation))
        await asyncio.wait({answering}, timeout=left_s)
        if not answering.done():
            await self._fail(message.seq, failures.TIMEOUT, f"no answer within {limit_s:.2f} s")
            # the policy's thread is busy: nothing else can be begun, and what comes is too late
            await asyncio.wait({answering})
            answering.exception()
            self._metrics.late_results += 1
            return
        ended_s = time.monotonic()
        step = answering.result()
        self._metrics.steps += 1
        self._metrics.policy_s.observe(ended_s - begun_s)
        self._metrics.step_s.observe(ended_s - request.arrived_s)
        stages_ms = {"queue": (begun_s - request.arrived_s) * 1e3, **step.stage_ms}
        stages_ms["server"] = (ended_s - request.arrived_s) * 1e3
        await self._answer(message.seq, replace(step, stage_ms=stages_ms))

    async def _answer(self, seq: int, step: PolicyStep) -> None:
        self.last_used_s = time.monotonic()
        await self._send(Answer(self.id, seq, step))

    async def _fail_with(self, seq: int, error: Exception) -> None:
        if isinstance(error, SpatialBotError):
            await self._fail(seq, failures.failure_code(error), str(error))
            return
        _log.error("the policy failed", exc_info=error)
        text = f"the policy failed ({type(error).__name__}); see the server's log"
        await self._fail(seq, failures.INTERNAL, text)

    async def _fail(self, seq: int, code: str, text: str) -> None:
        self._metrics.failures[code] += 1
        await self._send(Failure(self.id, seq, code, text[:4000]))

    def _close_policy(self) -> None:
        if self._policy is not None:
            self._policy.close()


def describe_defect(error: Exception) -> Failure:
    """A failure without a session, for what goes wrong before or outside of one."""
    if isinstance(error, SpatialBotError):
        return Failure("", 0, failures.failure_code(error), str(error)[:4000])
    return Failure("", 0, failures.INTERNAL, f"{PolicyError.__name__}: see the server's log")

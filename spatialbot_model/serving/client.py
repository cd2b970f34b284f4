"""A policy on another machine, for callers with a thread of their own such as a ROS node.

The connection lives on an event loop in a background thread; every call here waits for it with a
time-out. While there is no connection steps raise `PolicyConnectionError`, the caller holds, and
the client comes back by itself and uploads the whole history again.
"""

import asyncio
import concurrent.futures
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from spatialbot_model.contracts.errors import (
    PolicyConnectionError,
    PolicyError,
    PolicyTimeoutError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.serving.backoff import Backoff
from spatialbot_model.serving.client_options import ClientCounters, ClientOptions
from spatialbot_model.serving.credentials import is_loopback
from spatialbot_model.serving.link import PolicyLink
from spatialbot_model.serving.messages import Welcome

_JOIN_TIMEOUT_S = 10.0
_BACKSTOP_S = 5.0
"""The event loop keeps the time-outs; this one only guards against an event loop that is stuck."""

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class PolicyClient:
    """See the module docstring. Used from one thread; `close` may be called from any."""

    def __init__(
        self,
        options: ClientOptions,
        *,
        source: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Nothing is connected yet.

        Args:
            source: randomness of the waits between attempts to connect.
            sleep: carries these waits out.
        """
        self._options = options
        backoff = Backoff(options.backoff_first_s, options.backoff_limit_s, source)
        self._link = PolicyLink(options, backoff, sleep)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: asyncio.Task[None] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> "PolicyClient":
        try:
            self.connect()
        except BaseException:
            # nobody will leave the block and close it; it would reconnect for ever
            self.close()
            raise
        return self

    def __exit__(
        self,
        error_class: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def counters(self) -> ClientCounters:
        """What was seen so far; read-only for callers."""
        return self._link.counters

    @property
    def welcome(self) -> Welcome | None:
        """Session, policy and software of the server; None without a connection."""
        return self._link.welcome

    @property
    def resumes_from_frames(self) -> bool:
        """What the newest welcome said of the policy; false before the first."""
        return self._link.resumes_from_frames

    def connect(self, timeout_s: float | None = None) -> None:
        """Wait for a connection; tries on in the background even when this raises.

        Raises:
            PolicyConnectionError: not connected in time; says what happened last.
            ConfigurationError, ProtocolError: the server or the ssh machine refuses this client.
        """
        self._ensure_thread()
        timeout_s = self._options.connect_timeout_s if timeout_s is None else timeout_s
        try:
            self._call(self._link.wait_connected(), timeout_s)
        except PolicyTimeoutError as error:
            raise PolicyConnectionError(str(self._link.disconnected_error())) from error

    def start(self, instruction: str) -> None:
        """Begin an instruction; waits for a connection if there is none.

        Raises:
            UnreadableInstructionError: the policy says what it could read instead.
            PolicyConnectionError: no connection in time.
        """
        self.connect()
        self._call(self._link.start(instruction), self._options.connect_timeout_s)

    def step(self, observation: Observation, timeout_s: float | None = None) -> PolicyStep:
        """Ask for one step; uploads the frames that the server does not have.

        Raises:
            PolicyTimeoutError: no answer in time; a late one is dropped.
            PolicyConnectionError: no connection; it comes back by itself.
            PolicyError: the policy cannot answer; or an answer was lost and the policy cannot go
                on without it.
        """
        timeout_s = self._options.step_timeout_s if timeout_s is None else timeout_s
        if self._thread is None:
            raise PolicyError("no instruction was started; call start(instruction) first")
        try:
            return self._call(self._link.step(observation, timeout_s), timeout_s)
        except PolicyTimeoutError:
            self.counters.timeouts += 1
            raise
        except PolicyConnectionError:
            self.counters.holds += 1
            raise

    def reset(self) -> None:
        """Forget instruction and frames here and on the server, say after a clock was set back."""
        if self._thread is not None:
            self._call(self._link.reset(), self._options.connect_timeout_s)

    def close(self) -> None:
        """End connection and thread; allowed more than once."""
        with self._lock:
            self._closed = True
            thread, loop, running = self._thread, self._loop, self._running
            self._thread = None
        if thread is None or loop is None or running is None:
            return
        self._link.stop()
        loop.call_soon_threadsafe(running.cancel)
        thread.join(_JOIN_TIMEOUT_S)
        if thread.is_alive():
            _log.error("the policy client's thread does not end")

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._closed:
                raise PolicyError("the policy client is closed; make a new one")
            if self._thread is not None:
                return
            options = self._options
            if options.token and not options.is_secure and options.ssh is None:
                host, _ = options.server_address
                if not is_loopback(host):
                    _log.warning("no TLS: the token crosses the network to %s unencrypted", host)
            ready = threading.Event()
            self._thread = threading.Thread(
                target=lambda: asyncio.run(self._main(ready)), name="policy-client", daemon=True
            )
            self._thread.start()
            ready.wait()

    async def _main(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.create_task(self._link.run())
        ready.set()
        await asyncio.wait({self._running})
        if not self._running.cancelled() and self._running.exception() is not None:
            _log.error("the policy client failed", exc_info=self._running.exception())

    def _call(self, coroutine: Coroutine[Any, Any, _Result], timeout_s: float) -> _Result:
        """Run on the event loop; raises `PolicyTimeoutError` when it takes too long."""
        loop, running = self._loop, self._running
        if self._closed or loop is None or running is None or running.done():
            coroutine.close()
            raise PolicyError("the policy client is closed or has failed; make a new one")
        try:
            waiting = asyncio.run_coroutine_threadsafe(_limited(coroutine, timeout_s), loop)
        except RuntimeError as error:
            coroutine.close()
            raise PolicyError("the policy client is closed; make a new one") from error
        try:
            return waiting.result(timeout_s + _BACKSTOP_S)
        except PolicyTimeoutError:
            raise  # itself a TimeoutError
        except concurrent.futures.CancelledError as error:
            raise PolicyError("the policy client was closed") from error
        except concurrent.futures.TimeoutError as error:
            waiting.cancel()
            raise PolicyTimeoutError("the policy client's event loop is stuck") from error


async def _limited(coroutine: Coroutine[Any, Any, _Result], timeout_s: float) -> _Result:
    try:
        return await asyncio.wait_for(coroutine, timeout_s)
    except PolicyTimeoutError:
        raise  # a time-out that the server reported
    except asyncio.TimeoutError as error:
        raise PolicyTimeoutError(
            f"no answer from the policy server within {timeout_s:.2f} s"
        ) from error

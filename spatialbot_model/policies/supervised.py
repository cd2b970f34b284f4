"""A policy in a thread of its own, so that one that hangs holds up nobody.

Python cannot end a thread. A call that takes too long is given up, its late answer is dropped,
and the policy is asked again when it is free. One that is still busy when the next instruction
starts is closed and left behind, and a fresh one takes its place. The threads are daemons: they
keep no process alive.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDoneError
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    PolicyCancelledError,
    PolicyError,
    PolicyTimeoutError,
)
from spatialbot_model.contracts.types import Observation, PolicyStep
from spatialbot_model.policies.base import Policy, relocate, resumes_from_frames

_POLL_S = 0.02
_MAX_LEFT_BEHIND = 2
"""Each may hold weights; a third would rather be a broken policy than bad luck."""

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)

Check = Callable[[], None]


def _no_check() -> None:
    """Nobody wants to give up."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a supervised policy is waited for [wall s].

    Attributes:
        step_s: for one answer; more than the policy's own time-out, which says more.
        start_s: for the beginning of an instruction, a new connection included.
        close_s: for the thread to end.
    """

    step_s: float
    start_s: float = 30.0
    close_s: float = 2.0


class SupervisedPolicy:
    """See the module docstring; implements `policies.base.Policy`.

    Used from one thread; `close` may be called from any. `open` comes first.
    """

    def __init__(self, make: Callable[[], Policy], patience: Patience) -> None:
        """Nothing is made yet.

        Args:
            make: makes the policy, in the thread that will use it.
        """
        self._make = make
        self._patience = patience
        self._thread: _PolicyThread | None = None
        self._left_behind: list[_PolicyThread] = []
        self._lock = threading.Lock()
        self._closed = False
        self.num_late_answers = 0

    @property
    def num_left_behind(self) -> int:
        """Threads whose policy has not come back since it was given up."""
        return sum(thread.is_alive for thread in self._left_behind)

    @property
    def resumes_from_frames(self) -> bool:
        """See `base.resumes_from_frames`."""
        policy = None if self._thread is None else self._thread.policy
        return policy is not None and resumes_from_frames(policy)

    @property
    def can_lose_answers(self) -> bool:
        """Whether it can go on after an answer that was not carried out."""
        policy = None if self._thread is None else self._thread.policy
        return self.resumes_from_frames or hasattr(policy, "relocate")

    def open(self, check: Check = _no_check, timeout_s: float = float("inf")) -> None:
        """Make the policy.

        Args:
            check: called while waiting; raises to give up.

        Raises:
            PolicyError: too many earlier ones hang, or it was closed.
            SpatialBotError: what making it raises.
        """
        with self._lock:
            if self._closed:
                raise PolicyCancelledError("the policy is closed; make a new one")
            if self.num_left_behind >= _MAX_LEFT_BEHIND:
                raise PolicyError(
                    f"{self.num_left_behind} earlier policies hang and cannot be ended; restart"
                    " this process"
                )
            thread = self._thread = _PolicyThread(self._make)
            made = thread.begin()
        try:
            _wait(made, timeout_s, check, "is not ready")
        except BaseException:
            self._leave_behind()
            raise
        thread.running = None

    def start(self, instruction: str, check: Check = _no_check) -> None:
        """See `Policy.start`.

        Raises:
            PolicyTimeoutError: the policy does not begin in time.
        """
        deadline_s = time.monotonic() + self._patience.start_s
        thread = self._thread
        if thread is not None and not self._is_free_within(self._patience.step_s, check):
            _log.error("the policy hangs; a new one takes its place")
            self._leave_behind()
            thread = None
        if thread is None:
            self.open(check, deadline_s - time.monotonic())
        self._call(
            lambda policy: policy.start(instruction),
            deadline_s - time.monotonic(),
            check,
            "has not begun the instruction",
        )

    def step(self, observation: Observation, check: Check = _no_check) -> PolicyStep:
        """See `Policy.step`; in time or not at all."""
        deadline_s = time.monotonic() + self._patience.step_s
        self._wait_free(check)
        left_s = deadline_s - time.monotonic()
        answer = self._call(
            lambda policy: policy.step(observation), left_s, check, "has not answered"
        )
        if not isinstance(answer, PolicyStep):
            raise PolicyError(f"the policy answered with {type(answer).__name__}, not a PolicyStep")
        return answer

    def relocate(self, tool_position_m: NDArray[np.float64]) -> None:
        """See `base.relocate`."""
        self._wait_free(_no_check)
        self._call(
            lambda policy: relocate(policy, tool_position_m),
            self._patience.step_s,
            _no_check,
            "does not take a new place",
        )

    def close(self) -> None:
        """See `Policy.close`; returns also when the policy hangs."""
        with self._lock:
            self._closed = True
        self._leave_behind()
        if self.num_left_behind:
            _log.error("a policy hangs and is left behind; it ends with the process")

    def _open_thread(self) -> "_PolicyThread":
        if self._closed or self._thread is None:
            raise PolicyCancelledError("the policy is closed; make a new one")
        return self._thread

    def _call(
        self, function: Callable[[Policy], _Result], timeout_s: float, check: Check, what: str
    ) -> _Result:
        thread = self._open_thread()
        asked = thread.call(function)
        try:
            return _wait(asked, timeout_s, check, what)
        finally:
            # a call that was given up stays, so that the next one waits for its end
            if asked.done():
                thread.running = None

    def _wait_free(self, check: Check) -> None:
        if not self._is_free_within(self._patience.step_s, check):
            busy_s = self._open_thread().busy_s
            raise PolicyTimeoutError(
                f"the policy is still busy with what it was asked {busy_s:.1f} s ago"
            )

    def _is_free_within(self, timeout_s: float, check: Check) -> bool:
        """Wait for a call that was given up earlier; what it brings is dropped."""
        thread = self._open_thread()
        if thread.running is None:
            return True
        if not _is_done_within(thread.running, timeout_s, check):
            return False
        thread.running = None
        self.num_late_answers += 1
        return True

    def _leave_behind(self) -> None:
        """End the thread; one that does not end is remembered."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.end(self._patience.close_s)
        self._left_behind = [t for t in (*self._left_behind, thread) if t.is_alive]


class _PolicyThread:
    """One policy and the thread that alone calls it, except for a `close` that interrupts it."""

    def __init__(self, make: Callable[[], Policy]) -> None:
        self.policy: Policy | None = None
        self.running: Future[Any] | None = None
        self._make = make
        self._asked_s = time.monotonic()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="policy", daemon=True)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self._asked_s

    def begin(self) -> "Future[None]":
        """Start the thread and make the policy in it."""

        def make() -> None:
            self.policy = self._make()

        self._thread.start()
        return self._ask(make)

    def call(self, function: Callable[[Policy], _Result]) -> "Future[_Result]":
        def job() -> _Result:
            assert self.policy is not None
            return function(self.policy)

        return self._ask(job)

    def end(self, timeout_s: float) -> None:
        """Close the policy and end; gives up waiting after `timeout_s`."""
        self._jobs.put(None)
        deadline_s = time.monotonic() + timeout_s
        is_busy = self.running is not None and not self.running.done()
        if is_busy and self.policy is not None:
            # interrupts policies that can be; in a thread because a hung one may hang here too
            closing = threading.Thread(
                target=_close, args=(self.policy,), name="policy-close", daemon=True
            )
            closing.start()
            closing.join(timeout_s)
        self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def _ask(self, job: Callable[[], _Result]) -> "Future[_Result]":
        future: Future[_Result] = Future()
        self.running, self._asked_s = future, time.monotonic()
        self._jobs.put((job, future))
        return future

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            try:
                future.set_result(job())
            except BaseException as error:  # handed to whoever waits
                future.set_exception(error)
        if self.policy is not None:
            _close(self.policy)


def _close(policy: Policy) -> None:
    try:
        policy.close()
    except Exception:
        _log.exception("closing the policy failed")


def _wait(future: "Future[_Result]", timeout_s: float, check: Check, what: str) -> _Result:
    if not _is_done_within(future, timeout_s, check):
        raise PolicyTimeoutError(f"the policy {what} within {max(timeout_s, 0.0):.2f} s")
    return future.result()


def _is_done_within(future: "Future[Any]", timeout_s: float, check: Check) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not future.done():
        check()
        left_s = deadline_s - time.monotonic()
        if left_s <= 0.0:
            return False
        try:
            future.exception(min(_POLL_S, left_s))
        except NotDoneError:
            continue
    return True

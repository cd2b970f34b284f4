"""One thread that runs the policy calls of one session, one after another."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class PolicyWorker:
    """A policy is used from one thread; this is it, seen from the event loop.

    The thread is a daemon: a policy that hangs must not keep the server from ending.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call(self, function: Callable[[], _Result]) -> "asyncio.Future[_Result]":
        """Run `function` after everything that was asked for before; call from the event loop.

        Giving up the future does not stop a function that has begun.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Result] = loop.create_future()
        # an exception that nobody waits for any more is no news
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._jobs.put((function, loop, future))
        return future

    def stop(self) -> None:
        """End the thread after the work that was asked for; does not wait."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, loop, future = job
            result: Any = None
            failure: BaseException | None = None
            try:
                result = function()
            except BaseException as error:  # handed to whoever waits for the future
                failure = error
            try:
                loop.call_soon_threadsafe(_settle, future, result, failure)
            except RuntimeError:
                return  # the event loop has ended; nobody waits any more


def _settle(future: "asyncio.Future[Any]", result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    elif isinstance(failure, Exception) and not isinstance(failure, StopIteration):
        future.set_exception(failure)
    else:
        future.set_exception(RuntimeError(f"the policy ended its thread: {failure!r}"))

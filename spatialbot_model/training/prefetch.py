"""Batches made ahead by threads, in order, at most so many at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from spatialbot_model.training.contracts import Batch


class Prefetcher:
    """Makes batches in background threads; use as a context manager.

    One thread makes one batch at a time, so that with a single thread data need not be safe
    against threads.

    Args:
        threads: that make batches.
        ahead: batches that are made or being made before they are asked for.

    Attributes:
        waited_s: time spent waiting for batches.
    """

    def __init__(self, threads: int, ahead: int) -> None:
        self._threads = threads
        self._ahead = ahead
        self._pool: ThreadPoolExecutor | None = None
        self.waited_s = 0.0

    def __enter__(self) -> "Prefetcher":
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="batches")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._pool is not None
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None

    def stream(self, jobs: Iterator[Callable[[], Batch]]) -> Iterator[Batch]:
        """Results of the jobs, in their order; a job's error is raised where its batch is due."""
        assert self._pool is not None, "enter the prefetcher first"
        pending: deque[Future[Batch]] = deque()
        try:
            while True:
                while len(pending) < self._ahead and (job := next(jobs, None)) is not None:
                    pending.append(self._pool.submit(job))
                if not pending:
                    return
                start_s = time.perf_counter()
                batch = pending.popleft().result()
                self.waited_s += time.perf_counter() - start_s
                yield batch
        finally:
            for future in pending:
                future.cancel()

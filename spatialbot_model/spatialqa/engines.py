"""Spreads parts over processes of this machine, or over a Ray cluster.

A part does not depend on who works on it, so that only the order of finishing changes.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.util import Finalize
from typing import Protocol

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    MissingDependencyError,
    RecordingError,
    UnknownNameError,
)
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_model.spatialqa.part import PartWorker, WorkerRecipe

_WAITING_PER_WORKER = 3


class Engine(Protocol):
    """Works on parts with a number of workers; yields the number of each when it is done."""

    def __call__(
        self, recipe: WorkerRecipe, parts: Sequence[int], num_workers: int
    ) -> Iterator[int]: ...


def run_parts(
    recipe: WorkerRecipe, parts: Sequence[int], *, num_workers: int = 1, engine: str = "local"
) -> Iterator[int]:
    """Numbers of parts in the order in which they are done.

    Raises:
        ConfigurationError: no worker.
        UnknownNameError: no such engine.
        MissingDependencyError: the engine's package is not installed.
        RecordingError: a worker died, or the disk does not take a part.
    """
    if num_workers < 1:
        raise ConfigurationError(f"{num_workers} workers do nothing; ask for 1 or more")
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    return ENGINES[engine](recipe, parts, num_workers)


def _run_local(recipe: WorkerRecipe, parts: Sequence[int], num_workers: int) -> Iterator[int]:
    if num_workers == 1:
        worker = recipe.make()
        try:
            for part in parts:
                yield worker.run(part)
        finally:
            worker.close()
        return
    pool = worker_pool(num_workers, _start, recipe)
    left = iter(parts)
    try:
        running: set[Future[int]] = set()
        while True:
            room = num_workers * _WAITING_PER_WORKER - len(running)
            running |= {pool.submit(_work, part) for part in islice(left, room)}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool as error:
        raise RecordingError(
            "a worker process died, perhaps for lack of memory; run the same command again:"
            " finished parts are kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_ray(recipe: WorkerRecipe, parts: Sequence[int], num_workers: int) -> Iterator[int]:
    try:
        import ray
        from ray.util import ActorPool
    except ImportError as error:
        raise MissingDependencyError(
            f"engine 'ray' needs the package ray ({error}); `pip install ray`, or use the engine"
            " 'local'"
        ) from error
    started = not ray.is_initialized()
    if started:
        # joins the cluster of RAY_ADDRESS when there is one; all see the same output folder
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        remote = ray.remote(num_cpus=1)(_Actor)
        pool = ActorPool([remote.remote(recipe) for _ in range(num_workers)])
        yield from pool.map_unordered(lambda actor, part: actor.run.remote(part), list(parts))
    finally:
        if started:
            ray.shutdown()


class _Actor:
    """A worker on a machine of the cluster."""

    def __init__(self, recipe: WorkerRecipe) -> None:
        _use_one_core()
        self._worker = recipe.make()

    def run(self, part: int) -> int:
        return self._worker.run(part)


_worker: PartWorker | None = None


def _start(recipe: WorkerRecipe) -> None:
    global _worker
    _use_one_core()
    _worker = recipe.make()
    # a worker that is told to end runs finalizers, but nothing registered with atexit
    Finalize(None, _worker.close, exitpriority=10)


def _work(part: int) -> int:
    assert _worker is not None
    return _worker.run(part)


def _use_one_core() -> None:
    """Workers share the machine: one thread each, or they keep each other waiting."""
    import cv2

    # the software rasteriser of Mesa reads it when the first context is made
    os.environ.setdefault("LP_NUM_THREADS", "1")
    cv2.setNumThreads(1)


ENGINES: dict[str, Engine] = {"local": _run_local, "ray": _run_ray}
"""Registry of what spreads the work."""

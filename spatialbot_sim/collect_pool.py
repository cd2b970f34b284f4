"""Spreads jobs over processes of this machine, or over a Ray cluster.

Processes are started afresh (spawn), because neither OpenGL nor threads survive a fork. A job's
result does not depend on who works on it, so that only the order of results changes.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Protocol

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    MissingDependencyError,
    SimulationError,
    UnknownNameError,
)
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_sim.collect import CollectOptions, Collector, Job, JobResult
from spatialbot_sim.episode_sink import SinkFactory
from spatialbot_sim.glimpse_collect import GlimpseCollector, GlimpseOptions


class Worker(Protocol):
    """Works on jobs, one after the other, in one thread."""

    def run(self, job: Job) -> JobResult:
        """See `Collector`."""
        ...

    def close(self) -> None:
        """See `Collector`."""
        ...


@dataclass(frozen=True, slots=True)
class CollectorRecipe:
    """Everything that a worker makes its collector from; may be pickled.

    Attributes:
        options: of whole episodes or of glimpses.
        make_sink: None keeps nothing.
    """

    cell: Cell
    spec: ActionSpec
    options: CollectOptions | GlimpseOptions
    make_sink: SinkFactory | None = None

    def make(self) -> Worker:
        """A collector for the calling thread."""
        sink = None if self.make_sink is None else self.make_sink()
        if isinstance(self.options, GlimpseOptions):
            return GlimpseCollector(self.cell, self.spec, self.options, sink)
        return Collector(self.cell, self.spec, self.options, sink)


class Engine(Protocol):
    """Works on jobs with a number of workers and answers results as they come."""

    def __call__(
        self, recipe: CollectorRecipe, jobs: Sequence[Job], num_workers: int
    ) -> Iterator[JobResult]: ...


def run_jobs(
    recipe: CollectorRecipe, jobs: Sequence[Job], *, num_workers: int = 1, engine: str = "local"
) -> Iterator[JobResult]:
    """Results in the order in which they come.

    Raises:
        ConfigurationError: no worker.
        UnknownNameError: no such engine.
        MissingDependencyError: the engine's package is not installed.
        SimulationError: a worker died.
    """
    if num_workers < 1:
        raise ConfigurationError(f"{num_workers} workers do nothing; ask for 1 or more")
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    return ENGINES[engine](recipe, jobs, num_workers)


def _run_local(
    recipe: CollectorRecipe, jobs: Sequence[Job], num_workers: int
) -> Iterator[JobResult]:
    if num_workers == 1:
        collector = recipe.make()
        try:
            for job in jobs:
                yield collector.run(job)
        finally:
            collector.close()
        return
    pool = worker_pool(num_workers, _start_worker, recipe)
    try:
        futures = [pool.submit(_work, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise SimulationError(
            "a worker process died, perhaps for lack of memory; run the same command again:"
            " finished episodes are kept"
        ) from error
    finally:
        # on an interruption the jobs under way are finished, the others are not begun
        pool.shutdown(wait=True, cancel_futures=True)


def _run_ray(recipe: CollectorRecipe, jobs: Sequence[Job], num_workers: int) -> Iterator[JobResult]:
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
        # joins the cluster of RAY_ADDRESS when there is one
        ray.init(log_to_driver=False, include_dashboard=False)
    try:
        remote = ray.remote(num_cpus=1)(_Actor)
        actors = [remote.remote(recipe) for _ in range(num_workers)]
        pool = ActorPool(actors)
        yield from pool.map_unordered(lambda actor, job: actor.run.remote(job), list(jobs))
    finally:
        if started:
            ray.shutdown()


class _Actor:
    """A collector on a machine of the cluster."""

    def __init__(self, recipe: CollectorRecipe) -> None:
        _use_one_core()
        self._collector = recipe.make()

    def run(self, job: Job) -> JobResult:
        return self._collector.run(job)


_collector: Worker | None = None


def _start_worker(recipe: CollectorRecipe) -> None:
    global _collector
    _use_one_core()
    _collector = recipe.make()
    # a worker that is told to end runs finalizers, but nothing registered with atexit
    Finalize(None, _collector.close, exitpriority=10)


def _work(job: Job) -> JobResult:
    assert _collector is not None
    return _collector.run(job)


def _use_one_core() -> None:
    """Workers share the machine: one thread each, or they keep each other waiting."""
    # the software rasteriser of Mesa reads it when the first context is made
    os.environ.setdefault("LP_NUM_THREADS", "1")
    import cv2

    cv2.setNumThreads(1)


ENGINES: dict[str, Engine] = {"local": _run_local, "ray": _run_ray}
"""Registry of what spreads the work."""

"""Spreads trials over processes of this machine, each with its own environment and policy.

Processes are started afresh (spawn), because neither OpenGL nor threads survive a fork. A trial's
result does not depend on who runs it, so that only the order of results changes.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.util import Finalize

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError, SimulationError, UnknownNameError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_model.policies.base import PolicyConfig
from spatialbot_model.policies.registry import POLICIES, make_policy
from spatialbot_sim.evaluate import EvaluateOptions, Evaluator, TrialFilm, TrialJob

_ONE_THREAD = {
    # read when the libraries are loaded: a worker's first import is too late for it to set them
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class EvaluatorRecipe:
    """Everything that a worker makes its evaluator from; may be pickled.

    Attributes:
        policy: name in the registry of policies.
        make_film: None takes no pictures.
    """

    cell: Cell
    spec: ActionSpec
    options: EvaluateOptions
    policy: str
    config: PolicyConfig
    make_film: Callable[[], TrialFilm] | None = None

    def make(self) -> Evaluator:
        """An evaluator for the calling thread."""
        film = None if self.make_film is None else self.make_film()
        policy = partial(make_policy, self.policy, self.config)
        return Evaluator(self.cell, self.spec, self.options, policy, film)


def run_trials(
    recipe: EvaluatorRecipe, jobs: Sequence[TrialJob], num_workers: int = 1
) -> Iterator[Trial]:
    """Trials in the order in which they end.

    Raises:
        ConfigurationError: no worker.
        UnknownNameError: no such policy.
        SimulationError: a worker died.
        SpatialBotError: the policy cannot be made, or a world cannot be built.
    """
    if num_workers < 1:
        raise ConfigurationError(f"{num_workers} workers do nothing; ask for 1 or more")
    if recipe.policy not in POLICIES:
        raise UnknownNameError("policy", recipe.policy, POLICIES)
    if not jobs:
        return
    if num_workers == 1:
        evaluator = recipe.make()
        try:
            for job in jobs:
                yield evaluator.run(job)
        finally:
            evaluator.close()
        return
    with _environment(_ONE_THREAD):
        yield from _run_in_processes(recipe, jobs, min(num_workers, len(jobs)))


def _run_in_processes(
    recipe: EvaluatorRecipe, jobs: Sequence[TrialJob], num_workers: int
) -> Iterator[Trial]:
    pool = worker_pool(num_workers, _start_worker, recipe)
    try:
        futures = [pool.submit(_work, job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise SimulationError(
            "a worker process died, perhaps for lack of memory; run the same command again:"
            " finished trials are kept"
        ) from error
    finally:
        # on an interruption the trials under way are finished, the others are not begun
        pool.shutdown(wait=True, cancel_futures=True)


_evaluator: Evaluator | None = None


def _start_worker(recipe: EvaluatorRecipe) -> None:
    global _evaluator
    import cv2

    cv2.setNumThreads(1)
    # Ctrl-C reaches the whole process group; the parent ends the workers in order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _evaluator = recipe.make()
    # a worker that is told to end runs finalizers, but nothing registered with atexit
    Finalize(None, _evaluator.close, exitpriority=10)


def _work(job: TrialJob) -> Trial:
    assert _evaluator is not None
    return _evaluator.run(job)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables for the processes started inside; what is set already is respected."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)

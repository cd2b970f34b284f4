"""Worker processes that never outlive the one that needs them."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any


def worker_pool(
    num_workers: int, initializer: Callable[..., object] | None = None, *initargs: Any
) -> ProcessPoolExecutor:
    """A pool of spawned processes: forking one with threads (torch, ROS, OpenGL) may dead-lock.

    Workers end when this process ends, also when it is killed: by themselves they would wait for
    work for ever. What they write must be whole at every moment.

    Args:
        initializer: called with `initargs` in every worker before its first job; None = nothing.
    """
    return ProcessPoolExecutor(
        num_workers, get_context("spawn"), initializer=_start, initargs=(initializer, initargs)
    )


def _start(initializer: Callable[..., object] | None, initargs: tuple[Any, ...]) -> None:
    Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    if initializer is not None:
        initializer(*initargs)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

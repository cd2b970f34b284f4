"""Real-time priorities that nobody asked for are taken back."""

import ctypes
import os
import threading
from collections.abc import Callable

import pytest

from spatialbot_model.contracts.scheduling import (
    schedule_ordinarily,
    schedule_threads_ordinarily,
    thread_ids,
)

LIBC = ctypes.CDLL(None)
LIBC.pthread_self.restype = ctypes.c_ulong


def become_real_time() -> None:
    """As libraries do it: through the C library, which remembers."""
    thread = ctypes.c_ulong(LIBC.pthread_self())
    if LIBC.pthread_setschedparam(thread, os.SCHED_FIFO, ctypes.byref(ctypes.c_int(5))):
        pytest.skip("this user may not make threads real-time ones, so nothing can be taken back")


def remembered() -> int:
    """The policy that the C library believes the calling thread has."""
    policy, priority = ctypes.c_int(), ctypes.c_int()
    thread = ctypes.c_ulong(LIBC.pthread_self())
    assert not LIBC.pthread_getschedparam(thread, ctypes.byref(policy), ctypes.byref(priority))
    return policy.value


def in_a_thread(work: Callable[[], None]) -> None:
    """So that the test's own thread stays as it is, and what happened is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # told to the thread that waits
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_the_calling_thread_is_ordinary_again_for_kernel_and_c_library() -> None:
    def work() -> None:
        become_real_time()
        assert os.sched_getscheduler(0) == remembered() == os.SCHED_FIFO
        schedule_ordinarily()
        assert os.sched_getscheduler(0) == remembered() == os.SCHED_OTHER

    in_a_thread(work)


def test_threads_that_came_since_are_ordinary_and_others_are_left_alone() -> None:
    known = thread_ids()
    ended, started = threading.Event(), threading.Event()
    policies: list[int] = []

    def inherits() -> None:
        started.set()
        ended.wait()
        policies.append(os.sched_getscheduler(0))

    def work() -> None:
        become_real_time()
        worker = threading.Thread(target=inherits)
        worker.start()
        started.wait()
        schedule_threads_ordinarily(known | {threading.get_native_id()})
        ended.set()
        worker.join()
        assert policies == [os.SCHED_OTHER]
        assert remembered() == os.SCHED_OTHER

    in_a_thread(work)

"""Takes back real-time priorities that libraries give without being asked.

As root, SVT-AV1 makes the thread that encodes and all its workers real-time threads (SCHED_FIFO,
99), and libfranka the one that connects. Threads and processes made by such a thread inherit that;
those of DDS then wait for each other in circles that nothing ordinary can interrupt.
"""

import ctypes
import os
import sys

_IS_LINUX = sys.platform == "linux"


def schedule_ordinarily() -> None:
    """Make the calling thread an ordinary one; nothing happens where it is, or without Linux.

    The C library remembers what it was told, and threads that ask it give themselves that again:
    so it is told as well, not the kernel alone.
    """
    if _IS_LINUX:
        libc = ctypes.CDLL(None)
        libc.pthread_self.restype = ctypes.c_ulong
        thread = ctypes.c_ulong(libc.pthread_self())
        libc.pthread_setschedparam(thread, os.SCHED_OTHER, ctypes.byref(ctypes.c_int(0)))


def thread_ids() -> set[int]:
    """The kernel's numbers of this process's threads; none without Linux."""
    return {int(name) for name in os.listdir("/proc/self/task")} if _IS_LINUX else set()


def schedule_threads_ordinarily(known: set[int]) -> None:
    """Make threads of this process that are not among `known` ordinary ones, and the caller."""
    for thread_id in thread_ids() - known:
        try:
            os.sched_setscheduler(thread_id, os.SCHED_OTHER, os.sched_param(0))
        except ProcessLookupError:
            continue  # it has ended meanwhile
    schedule_ordinarily()

"""Ends a process when the one that started it is gone, however that ended."""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(signal_number: int, parent_pid: int = 0) -> None:
    """Ask the kernel for this signal when the parent (the thread that started this) ends.

    Nothing happens without Linux.

    Args:
        signal_number: what this process gets.
        parent_pid: whose end is meant; it may have ended already. 0 = whoever it is now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number)
        if parent_pid and os.getppid() != parent_pid:
            os.kill(os.getpid(), signal_number)

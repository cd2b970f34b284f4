"""Loopback addresses that belong to this test process alone."""

import itertools
import os

_NUMBERS = itertools.count()


def own_address() -> str:
    """A loopback address that no other test run and no earlier call has."""
    pid = os.getpid()
    return f"127.{20 + pid % 200}.{pid // 200 % 250}.{1 + next(_NUMBERS) % 254}"

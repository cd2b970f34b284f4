"""Makes the test doubles of this folder importable by the tests in it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from running_server import RunningServer


@pytest.fixture
def server() -> Iterator[RunningServer]:
    """A server of echoing policies on an address of its own."""
    with RunningServer() as running:
        yield running

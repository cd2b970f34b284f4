"""Fixtures of the node tests, and the test doubles of the model's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "model" / "inference"))
sys.path.insert(0, str(Path(__file__).parents[2] / "model" / "serving"))

from vla_surroundings import start

__all__ = ["start"]

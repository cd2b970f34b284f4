"""Makes the scripted bag and the synthetic episode importable."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "data"), str(HERE.parents[1] / "ros")]

"""What a benchmark answers: figures, the baseline of the same run, and where it ran."""

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np


def describe_machine() -> dict[str, str | int]:
    """Processor, usable cores, operating system and versions, for the record."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """Figures of one run.

    Attributes:
        name: benchmark by name.
        figures: name with unit -> value, of the subject and of the baseline.
        baseline: what the subject is compared with, in words.
        ratio: baseline / subject of the headline figure; above 1 the subject is better.
        n: number of samples behind each figure.
        machine: where it ran, see `describe_machine`.
    """

    name: str
    figures: Mapping[str, float]
    baseline: str
    ratio: float
    n: int
    machine: Mapping[str, str | int] = field(default_factory=describe_machine)

    def to_json(self) -> str:
        """One object with the keys name, figures, baseline, ratio, n, machine."""
        return json.dumps(asdict(self), allow_nan=False)


def _cpu_model() -> str:
    # platform.processor() is empty or the bare architecture on Linux
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"

"""Where the time of a step goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

STAGES = ("preprocess", "encode", "prefill", "decode", "tool")
"""Keys of `stage_ms`."""


class StageClock:
    """Wall milliseconds by stage; on a GPU the end of a stage waits for its kernels.

    Attributes:
        stage_ms: by `STAGES`.
    """

    def __init__(self, device: torch.device) -> None:
        self.stage_ms = dict.fromkeys(STAGES, 0.0)
        self._device = device

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside to a stage."""
        started_s = time.perf_counter()
        yield
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.stage_ms[name] += (time.perf_counter() - started_s) * 1e3

"""Metrics: averages over batches, and bin errors in millimetres and degrees."""

import json
import math
from collections.abc import Mapping

import torch
from torch import Tensor

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS, ActionSpec
from spatialbot_model.training.contracts import BIN_ERROR_PREFIX

_LARGEST_TOTALS = 1 << 16


class MeanMetrics:
    """Means of named scalars over batches; nothing is copied from a device before `means`."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._weights: dict[str, float] = {}

    def add(self, metrics: Mapping[str, Tensor], weight: float = 1.0) -> None:
        """Take the metrics of a batch in; a batch may lack some."""
        for name, value in metrics.items():
            added = value.detach().double() * weight
            self._sums[name] = self._sums[name] + added if name in self._sums else added
            self._weights[name] = self._weights.get(name, 0.0) + weight

    def totals(self) -> dict[str, tuple[float, float]]:
        """Sum and weight of each, for adding those of several processes."""
        return {name: (float(value), self._weights[name]) for name, value in self._sums.items()}


def means_of(totals: list[dict[str, tuple[float, float]]]) -> dict[str, float]:
    """Means over the totals of several processes."""
    names = sorted({name for each in totals for name in each})
    means = {}
    for name in names:
        parts = [each[name] for each in totals if name in each]
        weight = sum(weight for _, weight in parts)
        means[name] = math.fsum(total for total, _ in parts) / weight if weight else 0.0
    return means


def error_metrics(metrics: Mapping[str, float], spec: ActionSpec) -> dict[str, float]:
    """Bin errors of `metrics` in the units of people.

    Returns:
        ``error/dx_mm`` .. ``error/dz_mm``, ``error/droll_deg`` .. ``error/dyaw_deg`` and
        ``error/gripper`` (0 .. 1); for the dimensions that `metrics` has.
    """
    found: dict[str, float] = {}
    widths = (spec.high - spec.low) / (NUM_BINS - 1)
    for axis, (name, width) in enumerate(zip(ACTION_NAMES, widths.tolist(), strict=True)):
        bins = metrics.get(BIN_ERROR_PREFIX + name)
        if bins is None:
            continue
        if axis < 3:
            found[f"error/{name}_mm"] = bins * width * 1e3
        elif axis < 6:
            found[f"error/{name}_deg"] = math.degrees(bins * width)
        else:
            found[f"error/{name}"] = bins * width
    return found


def gathered(
    totals: dict[str, tuple[float, float]], num_processes: int, device: torch.device
) -> list[dict[str, tuple[float, float]]]:
    """The totals of all processes, in every one of them.

    Raises:
        ValueError: more metrics than fit.
    """
    if num_processes == 1:
        return [totals]
    # as JSON, because the library's own exchange of objects is pickle
    text = json.dumps(totals).encode()
    if len(text) > _LARGEST_TOTALS:
        raise ValueError(f"{len(totals)} metrics are too many to gather")
    ours = torch.frombuffer(bytearray(text.ljust(_LARGEST_TOTALS)), dtype=torch.uint8).to(device)
    everyone = [torch.empty_like(ours) for _ in range(num_processes)]
    torch.distributed.all_gather(everyone, ours)
    return [
        {name: (pair[0], pair[1]) for name, pair in json.loads(bytes(each.cpu().numpy())).items()}
        for each in everyone
    ]

"""What the training loop asks of data and of an objective; it knows nothing else about either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Batch = dict[str, Tensor]
"""Inputs of one optimisation step; which tensors is between a data set and its objective."""

BIN_ERROR_PREFIX = "bin_error/"
"""Metrics `bin_error/<action name>` are mean absolute errors in action bins, one a dimension."""


@runtime_checkable
class TrainingData(Protocol):
    """Samples by index. Equal indices and seed give an equal batch, in any thread."""

    def __len__(self) -> int: ...

    def weights(self) -> NDArray[np.float64]:
        """(n,) how often each sample is drawn, relative to the others; none is negative."""
        ...

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        """The samples as tensors on the CPU; everything random in them comes from `seed`."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What is minimised.

    Called with the bare model inside the forward pass of the module that is distributed, so that
    it may call any method of the model.
    """

    def __call__(
        self, model: nn.Module, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and named scalar metrics, each a mean over the batch."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class TrainingTask:
    """What a recipe puts together for the loop.

    Attributes:
        model: in float32; parameters with `requires_grad` are trained.
        objective: what is minimised.
        train: samples to learn from.
        validation: samples of scenes that are not learned from; None where there are none.
        save: see `SaveModel`.
        data_digest: of which episodes the data consist, as hexadecimal text.
        action_spec: `ActionSpec.to_mapping()` of the data, None for pure conversation.
        may_skip_weights: a batch need not use every trained weight.
        notes: lines for the reader about what was read and what was skipped.
    """

    model: nn.Module
    objective: Objective
    train: TrainingData
    validation: TrainingData | None
    save: "SaveModel"
    data_digest: str
    action_spec: dict[str, Any] | None = None
    may_skip_weights: bool = False
    notes: tuple[str, ...] = ()


class SaveModel(Protocol):
    """Writes a checkpoint folder that `make_policy("local", ...)` can use."""

    def __call__(self, model: nn.Module, folder: Path) -> None:
        """`folder` exists and is empty; `model` is the bare model with the weights to ship."""
        ...


def unit_weights(count: int) -> NDArray[np.float64]:
    """(n,) ones: every sample is drawn equally often."""
    return np.ones(count, dtype=np.float64)


def to_device(batch: Mapping[str, Tensor], device: torch.device) -> Batch:
    """The batch on another device."""
    return {name: values.to(device, non_blocking=True) for name, values in batch.items()}

"""An exponential moving average of the weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class AveragedWeights:
    """The average of trained weights, updated after each step.

    Early on the decay is (1 + n) / (10 + n) after n updates, if that is smaller, so that the
    weights at the start are soon forgotten.

    Args:
        parameters: the trained weights by name; the average starts with them.
        decay: of the average per step.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters = dict(parameters)
        self._decay = decay
        self.average: dict[str, Tensor] = {
            name: parameter.detach().clone() for name, parameter in parameters.items()
        }

    @torch.no_grad()
    def update(self, num_updates: int) -> None:
        """Take the weights in after a step; `num_updates` were taken in before."""
        decay = min(self._decay, (1 + num_updates) / (10 + num_updates))
        averages: Any = list(self.average.values())
        torch._foreach_lerp_(averages, list(self._parameters.values()), 1.0 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights inside, its own again afterwards."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.average[name])
            self.average[name].copy_(kept)

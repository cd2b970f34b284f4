"""Several data sets as one: each sample keeps its weight, times that of its part."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.training.contracts import Batch, TrainingData


class MixtureData:
    """Parts whose batches have the same tensors; a batch holds rows of any of them.

    Args:
        parts: the data sets, and by what the weights of their samples are multiplied: one
            number, or one for each sample.
        fills: what rows of each tensor are filled up with on the right, where those of another
            part are longer; a tensor that is not named has rows of one shape.

    Raises:
        ConfigurationError: no parts.
    """

    def __init__(
        self,
        parts: Sequence[tuple[TrainingData, float | NDArray[np.float64]]],
        fills: Mapping[str, int],
    ) -> None:
        if not parts:
            raise ConfigurationError("a mixture of no data")
        self._parts = tuple(parts)
        self._fills = dict(fills)
        self._ends = np.cumsum([len(data) for data, _ in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def weights(self) -> NDArray[np.float64]:
        """(n,) weights of the parts' samples times the parts' factors."""
        return np.concatenate([data.weights() * factor for data, factor in self._parts])

    def batch(self, indices: Sequence[int], seed: int) -> Batch:
        """Rows of the parts, part by part."""
        chosen = np.asarray(indices, np.int64)
        part_of = np.searchsorted(self._ends, chosen, side="right")
        batches: list[Batch] = []
        for number in np.unique(part_of).tolist():
            begin = int(self._ends[number - 1]) if number else 0
            rows = (chosen[part_of == number] - begin).tolist()
            batches.append(self._parts[number][0].batch(rows, seed + number))
        if len(batches) == 1:
            whole: Batch = batches[0]
            return whole
        names = dict.fromkeys(name for batch in batches for name in batch)
        return {
            name: self._joined(name, [batch[name] for batch in batches if name in batch])
            for name in names
        }

    def _joined(self, name: str, tensors: Sequence[Tensor]) -> Tensor:
        fill = self._fills.get(name)
        if fill is None:
            return torch.cat(list(tensors))
        width = max(each.shape[1] for each in tensors)
        return torch.cat(
            [
                torch.nn.functional.pad(each, (0, width - each.shape[1]), value=fill)
                for each in tensors
            ]
        )

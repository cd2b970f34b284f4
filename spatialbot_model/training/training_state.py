"""What a training needs to go on bit by bit: weights, optimizer, average, number of the step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.training.ema import AveragedWeights
from spatialbot_model.training.learner import buffer_names, parameter_names
from spatialbot_model.training.processes import is_sharded, local_part
from spatialbot_model.training.state_files import StateFolder, load_tensors, save_tensors

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")


class TrainingState:
    """Saves and restores everything that changes; what is random comes from the step's number.

    Args:
        accelerator: processes that hold shards write one file each, else the first one writes.
        learner: as prepared.
        optimizer: as prepared.
        average: of the weights, or None.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        learner: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: AveragedWeights | None,
    ) -> None:
        self._accelerator = accelerator
        self._weights: dict[str, Any] = {**parameter_names(learner), **buffer_names(learner)}
        self._trained = parameter_names(learner)
        self._optimizer: Any = getattr(optimizer, "optimizer", optimizer)
        self._average = average
        self._make_moments()

    def save(self, folder: StateFolder, step: int, values: Mapping[str, Any]) -> None:
        """Write the state after `step` steps.

        Raises:
            CheckpointError: the disk does not take it.
        """
        accelerator = self._accelerator
        path = folder.begin(step) if accelerator.is_main_process else folder.temporary(step)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process or is_sharded(accelerator):
            for kind, tensors in self._tensors().items():
                save_tensors(self._file(path, kind), tensors)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            folder.commit(step, {**values, "step": step, "processes": self._writers()})
        accelerator.wait_for_everyone()

    def load(self, folder: StateFolder, step: int) -> dict[str, Any]:
        """Restore the state after `step` steps; returns the values saved with it.

        Raises:
            CheckpointError: damaged, of another model, or of another number of shards.
        """
        values = folder.values(step)
        if values.get("processes") != self._writers():
            raise CheckpointError(
                f"{folder.path(step)} was written by {values.get('processes')} processes that held"
                f" shards of the weights, and {self._writers()} shall go on; use as many"
            )
        with torch.no_grad():
            for kind, tensors in self._tensors().items():
                found = load_tensors(self._file(folder.path(step), kind), tensors)
                for name, target in tensors.items():
                    target.copy_(found[name])
        return values

    def _tensors(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor of the state by file and name; writing into them restores it."""
        moments = {
            f"{moment}/{name}": local_part(self._optimizer.state[parameter][moment])
            for name, parameter in self._trained.items()
            for moment in _MOMENTS
        }
        found = {
            "model": {name: local_part(value.data) for name, value in self._weights.items()},
            "optimizer": moments,
        }
        if self._average is not None:
            found["average"] = {n: local_part(v) for n, v in self._average.average.items()}
        return found

    def _make_moments(self) -> None:
        # as AdamW makes them at its first step; here, so that weights which no batch has used
        # yet have some too, and a restored state something to be written into
        for parameter in self._trained.values():
            self._optimizer.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32),
                "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            }

    def _writers(self) -> int:
        return self._accelerator.num_processes if is_sharded(self._accelerator) else 1

    def _file(self, path: Path, kind: str) -> Path:
        rank = self._accelerator.process_index if is_sharded(self._accelerator) else 0
        return path / f"{kind}-{rank:05d}.safetensors"

"""The processes of a training: one, or several that hold copies or shards of the weights."""

import os
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, DistributedType
from torch import Tensor

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.training.recipe import Recipe


def make_accelerator(recipe: Recipe, may_skip_weights: bool) -> Accelerator:
    """The accelerator of this process; `accelerate launch` says how many there are.

    Args:
        may_skip_weights: a batch need not use every trained weight.
    """
    if torch.cuda.is_available():
        # asked for before the first use of the device, or it has no effect
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return Accelerator(
        mixed_precision="bf16" if recipe.precision == "bfloat16" else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=may_skip_weights)],
    )


def micro_batches(recipe: Recipe, num_processes: int) -> int:
    """Forward passes of one process in one optimisation step.

    Raises:
        ConfigurationError: the batch cannot be divided so.
    """
    at_once = recipe.micro_batch_size * num_processes
    if recipe.batch_size % at_once:
        raise ConfigurationError(
            f"batch_size {recipe.batch_size} cannot be divided among {num_processes} processes in"
            f" forward passes of micro_batch_size {recipe.micro_batch_size}; choose a multiple of"
            f" {at_once}"
        )
    return recipe.batch_size // at_once


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether each process holds a part of the weights only."""
    return bool(accelerator.distributed_type == DistributedType.FSDP)


def local_part(values: Any) -> Tensor:
    """What this process holds of a tensor that may be sharded."""
    part: Tensor = values.to_local() if hasattr(values, "to_local") else values
    return part


def agreed(accelerator: Accelerator, *wishes: int) -> tuple[int, ...]:
    """The largest of each wish over all processes, the same in every one of them."""
    if accelerator.num_processes == 1:
        return wishes
    values = torch.tensor(wishes, device=accelerator.device)
    torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX)
    return tuple(int(value) for value in values)

"""LoRA adapters as PEFT stores them, and how they are merged into a weight.

For a linear layer with the weight W (n_out, n_in), A (r, n_in) and B (n_out, r):

    W_merged = W + alpha / r * B @ A

computed in float32 and rounded once, to the type of W.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.release_keys import canonical, listed
from spatialbot_model.modeling.weight_files import StoredTensor, open_file, read_json

ADAPTER_CONFIG_NAME = "adapter_config.json"
_ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
_MATRIX = re.compile(r"(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
# Fields that change what an adapter computes, with the only value that is merged here.
_REQUIRED: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "fan_in_fan_out": (False, None),
    "modules_to_save": (None, []),
    "use_dora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
}


@dataclass(frozen=True, slots=True)
class LoraUpdate:
    """One pair of low-rank matrices: `down` A (r, n_in), `up` B (n_out, r)."""

    down: StoredTensor
    up: StoredTensor
    scale: float

    @property
    def weight_shape(self) -> tuple[int, int]:
        """Shape (n_out, n_in) of the weight it belongs to."""
        return (self.up.shape[0], self.down.shape[1])


def read_adapter(folder: Path) -> dict[str, LoraUpdate]:
    """The updates of an adapter folder, keyed by the (canonical) release name of the weight.

    Raises:
        CheckpointError: a kind of adapter that is not merged here, a matrix without its
            partner, or a tensor that is none of the two.
    """
    config = read_json(folder / ADAPTER_CONFIG_NAME)
    for field, accepted in _REQUIRED.items():
        value = config.get(field, accepted[0])
        if value not in accepted:
            raise CheckpointError(
                f"{folder / ADAPTER_CONFIG_NAME}: {field} is {value!r}; only {accepted[0]!r} can be"
                " merged. Merge the adapter with the tool that made it and import the result."
            )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise CheckpointError(
            f"{folder / ADAPTER_CONFIG_NAME}: r is {rank!r} and lora_alpha {alpha!r}; expected a"
            " positive whole number and a number."
        )
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank

    sides: dict[str, dict[str, StoredTensor]] = {"A": {}, "B": {}}
    strangers = []
    for key, tensor in _open_adapter(folder).items():
        match = _MATRIX.fullmatch(canonical(key))
        if match is None or len(tensor.shape) != 2:
            strangers.append(key)
        else:
            sides[match["side"]][match["module"]] = tensor
    if strangers:
        raise CheckpointError(
            f"{folder}: {len(strangers)} adapter tensors are no low-rank pairs of linear layers:"
            + listed(strangers)
        )
    lonely = sides["A"].keys() ^ sides["B"].keys()
    if lonely:
        raise CheckpointError(
            f"{folder}: {len(lonely)} adapted layers have only one of lora_A and lora_B:"
            + listed(lonely)
        )
    if not sides["A"]:
        raise CheckpointError(f"{folder}: the adapter is empty.")
    return {
        f"{module}.weight": _pair(module, down, sides["B"][module], rank, scale)
        for module, down in sides["A"].items()
    }


def _open_adapter(folder: Path) -> dict[str, StoredTensor]:
    for name in _ADAPTER_FILES:
        if (folder / name).is_file():
            return open_file(folder / name)
    raise CheckpointError(
        f"{folder} has {ADAPTER_CONFIG_NAME} but no weights; expected one of"
        f" {', '.join(_ADAPTER_FILES)}."
    )


def _pair(module: str, down: StoredTensor, up: StoredTensor, rank: int, scale: float) -> LoraUpdate:
    if down.shape[0] != rank or up.shape[1] != rank:
        raise CheckpointError(
            f"{down.file.parent}: the adapter of {module} has lora_A {down.shape} and lora_B"
            f" {up.shape}; {ADAPTER_CONFIG_NAME} says rank {rank}."
        )
    return LoraUpdate(down, up, scale)


def with_update(weight: StoredTensor, update: LoraUpdate) -> StoredTensor:
    """The weight with the update merged in, computed when it is read."""

    def read() -> torch.Tensor:
        delta = update.up.read().float() @ update.down.read().float()
        return (weight.read().float() + update.scale * delta).to(weight.dtype)

    merged: Callable[[], torch.Tensor] = read
    return StoredTensor(weight.file, weight.key, weight.shape, weight.dtype, merged)

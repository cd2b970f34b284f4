"""Writing a model's weights as safetensors, file by file, from tensors that lie on disk."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.weight_files import StoredTensor

MAX_FILE_BYTES = 2_000_000_000
"""Size at which a new file is begun."""

_METADATA = {"format": "pt"}


def write_weights(
    folder: Path,
    tensors: Mapping[str, StoredTensor],
    dtype: torch.dtype,
    say: Callable[[str], None],
    max_file_bytes: int = MAX_FILE_BYTES,
) -> None:
    """Write all tensors as `dtype` into ``model.safetensors``, or numbered files and an index.

    At most one output file's tensors are in memory at a time.

    Raises:
        CheckpointError: a weight that is not finite in `dtype`.
    """
    groups = _grouped(tensors, dtype, max_file_bytes)
    weight_map: dict[str, str] = {}
    num_bytes = 0
    for number, names in enumerate(groups, start=1):
        name = (
            "model.safetensors"
            if len(groups) == 1
            else f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        )
        values = {key: _value(key, tensors[key], dtype) for key in names}
        size = sum(value.numel() * value.element_size() for value in values.values())
        say(f"writing {name} ({number} of {len(groups)}, {size / 1e9:.2f} GB)")
        save_file(values, folder / name, metadata=_METADATA)
        weight_map.update(dict.fromkeys(names, name))
        num_bytes += size
    if len(groups) > 1:
        index = {"metadata": {"total_size": num_bytes}, "weight_map": weight_map}
        path = folder / "model.safetensors.index.json"
        path.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _grouped(
    tensors: Mapping[str, StoredTensor], dtype: torch.dtype, max_file_bytes: int
) -> list[list[str]]:
    groups: list[list[str]] = [[]]
    filled = 0
    # tensors of one input file stay together, so that it is read once from end to end
    for key in sorted(tensors, key=lambda key: (str(tensors[key].file), key)):
        tensor = tensors[key]
        size = tensor.num_bytes // tensor.dtype.itemsize * dtype.itemsize
        if groups[-1] and filled + size > max_file_bytes:
            groups.append([])
            filled = 0
        groups[-1].append(key)
        filled += size
    return groups


def _value(key: str, stored: StoredTensor, dtype: torch.dtype) -> torch.Tensor:
    value = stored.read().to(dtype).contiguous()
    if not torch.isfinite(value).all():
        raise CheckpointError(
            f"{key} (from {stored.file.name}) has values that are not finite as {dtype}; the file"
            " is damaged, or the weights need a wider type."
        )
    # memory shared by two stored tensors cannot be written twice
    return value.clone()

"""Reading the weight files of a checkpoint folder, one tensor at a time.

Understands ``model.safetensors``, ``pytorch_model.bin`` and the sharded forms of both with
their index. ``.bin`` files are read by torch's restricted unpickler (``weights_only=True``),
which loads tensors and refuses everything else. No file outside the folder is opened.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from spatialbot_model.contracts.errors import CheckpointError

_WHOLE_OR_INDEXED = (
    "model.safetensors.index.json",
    "model.safetensors",
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
)


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor on disk: what it is, and how to read it. Nothing is held in memory."""

    file: Path
    key: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], torch.Tensor]

    @property
    def num_bytes(self) -> int:
        """Size of the values."""
        count = 1
        for length in self.shape:
            count *= length
        return count * self.dtype.itemsize

    def first_rows(self, count: int) -> "StoredTensor":
        """The first `count` rows alone."""
        return StoredTensor(
            self.file,
            self.key,
            (count, *self.shape[1:]),
            self.dtype,
            lambda: self.read()[:count],
        )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        CheckpointError: the file is missing, not JSON or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} holds no {path.name}; give the folder of a checkpoint, with its"
            " configuration beside its weights."
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, expected a JSON object.")
    return value


def open_weights(folder: Path) -> dict[str, StoredTensor]:
    """All tensors of a checkpoint folder by name; safetensors are preferred.

    Raises:
        CheckpointError: no weight file, a broken one, an index that points outside of the
            folder or at what is not there, or a tensor that is stored twice.
    """
    for name in _WHOLE_OR_INDEXED:
        path = folder / name
        if not path.is_file():
            continue
        return _open_indexed(path) if name.endswith(".json") else open_file(path)
    raise CheckpointError(
        f"{folder} holds no weights; expected one of {', '.join(_WHOLE_OR_INDEXED)}."
    )


def open_file(path: Path) -> dict[str, StoredTensor]:
    """All tensors of one ``.safetensors`` or ``.bin`` file by name.

    Raises:
        CheckpointError: the file cannot be read, or holds something else than tensors.
    """
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    return _open_bin(path)


def _open_indexed(index: Path) -> dict[str, StoredTensor]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no weight_map from tensor names to file names.")
    tensors: dict[str, StoredTensor] = {}
    for name in sorted({str(value) for value in weight_map.values()}):
        # a plain name can be a link into a download cache, but cannot climb out of the folder
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise CheckpointError(
                f"{index} names the file {name!r}; only plain names of files beside it are read."
            )
        path = index.parent / name
        if not path.is_file():
            raise CheckpointError(
                f"{index} names {name}, which is not there; complete the download."
            )
        for key, tensor in open_file(path).items():
            if key in tensors:
                raise CheckpointError(
                    f"{key} is stored in both {tensors[key].file.name} and {name} of"
                    f" {index.parent}; the folder mixes two checkpoints."
                )
            tensors[key] = tensor
    lost = sorted(set(weight_map) - set(tensors))
    if lost:
        raise CheckpointError(
            f"{index} lists {len(lost)} tensors that its files do not hold: {', '.join(lost[:10])}"
        )
    return tensors


_SAFETENSORS_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def _open_safetensors(path: Path) -> dict[str, StoredTensor]:
    try:
        tensors = {}
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118  (the handle is no mapping)
                part = file.get_slice(key)
                dtype = _SAFETENSORS_DTYPES.get(part.get_dtype())
                if dtype is None:
                    raise CheckpointError(
                        f"{key} in {path} has the type {part.get_dtype()}, which is not supported;"
                        " expected unquantised weights."
                    )
                shape = tuple(part.get_shape())
                tensors[key] = StoredTensor(
                    path, key, shape, dtype, partial(_read_safetensor, path, key)
                )
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    return tensors


def _read_safetensor(path: Path, key: str) -> torch.Tensor:
    try:
        with safe_open(path, framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(key)
            return tensor
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{key} of {path} cannot be read: {error}") from error


def _open_bin(path: Path) -> dict[str, StoredTensor]:
    stored: Any
    try:
        try:
            # memory-mapped: pages are read when a tensor is used
            stored = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:
            # files older than torch 1.6 have no layout that can be mapped
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} cannot be read as a file of plain tensors, so it is not opened: {error}"
        ) from error
    if not isinstance(stored, Mapping):
        raise CheckpointError(f"{path} holds a {type(stored).__name__}, expected named tensors.")
    strangers = [str(key) for key, value in stored.items() if not isinstance(value, torch.Tensor)]
    if strangers:
        raise CheckpointError(
            f"{path} holds values that are no tensors: {', '.join(sorted(strangers)[:10])}"
        )
    return {
        str(key): StoredTensor(
            path, str(key), tuple(value.shape), value.dtype, partial(_same, value)
        )
        for key, value in stored.items()
    }


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor

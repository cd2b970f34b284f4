"""Resumable states on disk: safetensors and JSON, whole or not there at all."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from spatialbot_model.contracts.errors import CheckpointError

_PREFIX = "step-"
_VALUES_NAME = "state.json"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The states of one training, oldest first, in `root`.

    Attributes:
        root: gets one folder a state.
        keep: so many are kept.
    """

    root: Path
    keep: int = 2

    def steps(self) -> list[int]:
        """Steps of which there is a complete state, ascending."""
        found = self.root.glob(f"{_PREFIX}*/{_VALUES_NAME}") if self.root.is_dir() else ()
        return sorted(int(path.parent.name.removeprefix(_PREFIX)) for path in found)

    def path(self, step: int) -> Path:
        """Folder of the state after so many steps."""
        return self.root / f"{_PREFIX}{step:08d}"

    def begin(self, step: int) -> Path:
        """An empty folder to write a state into; it does not count before `commit`.

        Raises:
            CheckpointError: the disk does not take it.
        """
        temporary = self.temporary(step)
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        except OSError as error:
            raise CheckpointError(f"cannot write a state below {self.root}: {error}") from error
        return temporary

    def commit(self, step: int, values: Mapping[str, Any]) -> Path:
        """Make the state written since `begin` count; the oldest are removed.

        Raises:
            CheckpointError: the disk does not take it.
        """
        temporary, final = self.temporary(step), self.path(step)
        try:
            write_json(temporary / _VALUES_NAME, values)
            for path in temporary.iterdir():
                _sync(path)
            if final.exists():
                # the same step of the same training: never a moment without a state
                shutil.rmtree(temporary)
            else:
                temporary.rename(final)
            _sync(self.root)
        except OSError as error:
            raise CheckpointError(f"cannot write the state {final}: {error}") from error
        for old in self.steps()[: -self.keep]:
            shutil.rmtree(self.path(old), ignore_errors=True)
        return final

    def values(self, step: int) -> dict[str, Any]:
        """What `commit` was given.

        Raises:
            CheckpointError: not there, or damaged.
        """
        path = self.path(step) / _VALUES_NAME
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"cannot read {path}: {error}") from error
        return values

    def temporary(self, step: int) -> Path:
        """Where a state is written before it counts."""
        return self.root / f".{_PREFIX}{step:08d}.tmp"


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors by name.

    Raises:
        CheckpointError: the disk does not take it.
    """
    try:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path
        )
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write {path}: {error}") from error


def load_tensors(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of exactly the names and shapes of `expected`.

    Raises:
        CheckpointError: damaged, or of another model; names the differences.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    differing = set(found) ^ set(expected)
    differing |= {n for n in set(found) & set(expected) if found[n].shape != expected[n].shape}
    if differing:
        names = ", ".join(sorted(differing)[:5])
        raise CheckpointError(
            f"{path} is of another model: {len(differing)} tensors differ ({names}); resume with"
            " the recipe and the model it was made with"
        )
    return found


def write_json(path: Path, values: Any) -> None:
    """Write JSON in place of what is there, at once.

    Raises:
        OSError: the disk does not take it.
        ValueError: a number that JSON does not know.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def _sync(path: Path) -> None:
    # a rename is only safe when what it renames is on the disk
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

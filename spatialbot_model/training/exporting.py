"""Checkpoints for use, written whole or not at all."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.training.contracts import TrainingTask
from spatialbot_model.training.learner import plain_name


def export_folder(folder: Path, model: nn.Module, task: TrainingTask) -> None:
    """Write a checkpoint in place of what is there.

    Raises:
        CheckpointError: the disk does not take it.
    """
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        task.save(model, temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    except OSError as error:
        raise CheckpointError(f"cannot write the checkpoint {folder}: {error}") from error


def load_gathered(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put a learner's gathered weights into a whole model.

    Raises:
        CheckpointError: they are of another model.
    """
    plain = {plain_name(name): value for name, value in state.items()}
    known = model.state_dict()
    missing = set(known) - set(plain)
    if missing:
        raise CheckpointError(f"{len(missing)} weights were not gathered: {sorted(missing)[:5]}")
    model.load_state_dict({name: plain[name] for name in known})

"""`training.json` beside a checkpoint: how it came about.

Folders are told by their names: a checkpoint travels, and where its data lay stays behind.
"""

import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import accelerate
import torch
import transformers

from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.state_files import write_json

CARD_NAME = "training.json"


def card_writer(
    recipe: Recipe,
    *,
    data_digest: str,
    data: tuple[str, ...],
    notes: tuple[str, ...],
    start: str,
) -> Callable[[Path, int, Mapping[str, float], float], None]:
    """Writes the card of a checkpoint, given folder, step, scores and training time [s].

    Args:
        recipe: with the values that were used.
        data_digest: of the episodes.
        data: the sources, as the user named them.
        notes: what was read and what was skipped.
        start: what the training started from.
    """
    versions = library_versions()
    revision = git_revision()

    def write(folder: Path, step: int, scores: Mapping[str, float], seconds: float) -> None:
        card: dict[str, Any] = {
            "recipe": recipe.to_mapping(),
            "seed": recipe.seed,
            "step": step,
            "scores": dict(scores),
            "training_seconds": round(seconds, 1),
            "data": [_name(each) for each in data],
            "data_digest": data_digest,
            "notes": [_name(note) for note in notes],
            "start": _name(start),
            "versions": versions,
            "git": revision,
        }
        write_json(folder / CARD_NAME, card)

    return write


def _name(text: str) -> str:
    """Without the folders above, where a text begins with the path of one."""
    path, colon, rest = text.partition(":")
    return f"{Path(path).name}{colon}{rest}" if "/" in path else text


def library_versions() -> dict[str, str]:
    """Versions that may change the result."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def git_revision() -> str | None:
    """`git describe` of the sources, None where they are no checkout or git is missing."""
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

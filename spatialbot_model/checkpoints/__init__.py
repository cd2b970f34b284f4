"""Weights that come with this package, by name; each folder holds a model card, README.md."""

from pathlib import Path

from spatialbot_model.contracts.errors import CheckpointError

DEFAULT_CHECKPOINT = "mini-rgbd"
"""What ``checkpoint:=default`` is."""

_FOLDER = Path(__file__).parent
_CONFIG_NAME = "config.json"


def shipped_checkpoints() -> tuple[str, ...]:
    """Names of the checkpoints that are there, sorted."""
    return tuple(sorted(path.parent.name for path in _FOLDER.glob(f"*/{_CONFIG_NAME}")))


def checkpoint_folder(name: str | Path) -> Path:
    """Folder of a checkpoint: of a shipped one by its name, or ``default``; else the folder itself.

    A folder that exists goes before a name.

    Raises:
        CheckpointError: neither; lists the names.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder.resolve()
    shipped = shipped_checkpoints()
    wanted = DEFAULT_CHECKPOINT if str(name) == "default" else str(name)
    if wanted in shipped:
        return _FOLDER / wanted
    raise CheckpointError(
        f"there is no checkpoint {str(name)!r}: no such folder, and shipped are"
        f" {', '.join(shipped) or 'none'}; give default, or a folder as"
        " `spatialbot train` writes it"
    )

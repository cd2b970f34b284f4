"""The sidecar ``episode.json``: written when an episode begins, replaced when it ends."""

import json
import os
from pathlib import Path

from spatialbot_model.contracts.episode import SIDECAR_NAME, EpisodeMetadata
from spatialbot_model.contracts.errors import RecordingError


def metadata_to_json(metadata: EpisodeMetadata) -> str:
    """Metadata as JSON text."""
    return json.dumps(metadata.to_mapping(), indent=2, sort_keys=True)


def metadata_from_json(text: str) -> EpisodeMetadata:
    """Inverse of `metadata_to_json`.

    Raises:
        RecordingError: not JSON, or not the metadata of an episode.
    """
    try:
        data = json.loads(text)
    # numbers of thousands of digits are a plain ValueError
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"episode metadata is not JSON: {error}") from error
    return EpisodeMetadata.from_mapping(data)


def write_sidecar(folder: Path, metadata: EpisodeMetadata, *, durable: bool = True) -> None:
    """Replace the sidecar at once, so that a crash leaves the old or the new one.

    Args:
        folder: of the episode.
        metadata: new content.
        durable: wait until the disk has it, so that a power cut cannot take it.

    Raises:
        OSError: the disk does not take it.
    """
    replace_text(folder / SIDECAR_NAME, metadata_to_json(metadata) + "\n", durable=durable)


def replace_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file of an episode at once: whoever reads it meets the old or the new content.

    Raises:
        OSError: the disk does not take it.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_sidecar(folder: Path) -> EpisodeMetadata:
    """Metadata of the episode in `folder`.

    Raises:
        RecordingError: no sidecar, or an unusable one.
    """
    path = folder / SIDECAR_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror}. Is {folder} the folder of an episode?"
        ) from error
    return metadata_from_json(text)

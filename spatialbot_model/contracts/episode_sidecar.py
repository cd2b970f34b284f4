"""The sidecar ``episode.json``: written when an episode begins, replaced when it ends."""

import json
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
    except json.JSONDecodeError as error:
        raise RecordingError(f"episode metadata is not JSON: {error}") from error
    return EpisodeMetadata.from_mapping(data)


def write_sidecar(folder: Path, metadata: EpisodeMetadata) -> None:
    """Replace the sidecar at once, so that a crash leaves the old or the new one.

    Raises:
        OSError: the disk does not take it.
    """
    temporary = folder / f".{SIDECAR_NAME}.tmp"
    temporary.write_text(metadata_to_json(metadata) + "\n", encoding="utf-8")
    temporary.replace(folder / SIDECAR_NAME)


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

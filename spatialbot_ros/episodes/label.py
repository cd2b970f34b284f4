"""Changes what an episode says about its success; what it said before is kept."""

from datetime import datetime, timezone
from pathlib import Path

from spatialbot_model.contracts.episode import EpisodeMetadata, check_label
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.metadata_update import write_metadata


def label_episode(folder: Path, label: str, note: str = "") -> EpisodeMetadata:
    """Give a closed episode another label.

    Args:
        folder: of the episode.
        label: success, failure or unknown.
        note: why, in words; empty keeps the reason that is there.

    Returns:
        The metadata as stored, the old label in its history.

    Raises:
        RecordingError: an unknown label, no episode, one that was not closed, or the folder
            cannot be written.
    """
    check_label(label)
    metadata = read_sidecar(folder)
    if metadata.stop_ns is None:
        raise RecordingError(
            f"{folder} was not closed and cannot be labelled yet: stop its recording, or run"
            f" `spatialbot episodes repair {folder}` when its recorder was killed"
        )
    now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    changed = metadata.relabelled(label, note or metadata.reason, now)
    write_metadata(folder, changed)
    return changed

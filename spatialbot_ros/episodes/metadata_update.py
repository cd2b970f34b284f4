"""The metadata of a closed episode: read from either of its two places, replaced in both."""

import json
from pathlib import Path

import yaml

from spatialbot_model.contracts.episode import CUSTOM_DATA_KEY, EpisodeMetadata
from spatialbot_model.contracts.episode_sidecar import (
    metadata_from_json,
    metadata_to_json,
    read_sidecar,
    replace_text,
    write_sidecar,
)
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.bag_information import BAG_METADATA_NAME, bag_information


def read_metadata(folder: Path) -> EpisodeMetadata:
    """The sidecar, or its copy in the bag when the sidecar is lost or damaged.

    Raises:
        RecordingError: neither can be read; says what is wrong with the sidecar.
    """
    try:
        return read_sidecar(folder)
    except RecordingError as error:
        copy = _copy_in_bag(folder)
        if copy is None:
            # the sidecar's own error tells more than that of a copy nobody expects
            raise error
        return copy


def write_metadata(folder: Path, metadata: EpisodeMetadata) -> None:
    """Replace the metadata of a closed episode, first the sidecar, then its copy in the bag.

    Each file is replaced at once. Between the two a crash leaves the new sidecar and the old
    copy; `repair_episode` makes them one again.

    Raises:
        RecordingError: the episode was not closed, or its folder cannot be written.
    """
    information = bag_information(folder)
    custom = information.get("custom_data") or {}
    information["custom_data"] = {**custom, CUSTOM_DATA_KEY: metadata_to_json(metadata)}
    text = yaml.safe_dump({"rosbag2_bagfile_information": information}, sort_keys=False)
    try:
        write_sidecar(folder, metadata)
        replace_text(folder / BAG_METADATA_NAME, text)
    except OSError as error:
        raise RecordingError(
            f"the metadata of {folder} cannot be written: {error.strerror or error}"
        ) from error


def _copy_in_bag(folder: Path) -> EpisodeMetadata | None:
    try:
        custom = bag_information(folder).get("custom_data") or {}
        return metadata_from_json(custom[CUSTOM_DATA_KEY])
    except (RecordingError, KeyError, TypeError):
        return None


def is_same_metadata(text: object, metadata: EpisodeMetadata) -> bool:
    """Whether a copy in a bag, JSON text, says the same as `metadata`."""
    try:
        return bool(json.loads(str(text)) == json.loads(metadata_to_json(metadata)))
    except ValueError:
        return False

"""rosbag2's own metadata.yaml, as plain values."""

from pathlib import Path
from typing import Any

import yaml

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.yaml_text import parse_yaml

BAG_METADATA_NAME = "metadata.yaml"


def bag_information(folder: Path) -> dict[str, Any]:
    """What is under ``rosbag2_bagfile_information``.

    Raises:
        RecordingError: there is no metadata.yaml, or it is not that of a rosbag2.
    """
    path = folder / BAG_METADATA_NAME
    try:
        content = parse_yaml(path.read_bytes())
        information = content["rosbag2_bagfile_information"]
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror}. An episode gets it when it is closed"
        ) from error
    except (yaml.YAMLError, LookupError, TypeError) as error:
        raise RecordingError(f"{path} is not the metadata of a rosbag2: {error!r}") from error
    if not isinstance(information, dict):
        raise RecordingError(f"{path} is not the metadata of a rosbag2")
    return information


def mcap_file(folder: Path) -> Path:
    """The one MCAP file of an episode's folder, closed or not.

    Raises:
        RecordingError: there is none, or more than one.
    """
    files = sorted(folder.glob("*.mcap"))
    if len(files) != 1:
        raise RecordingError(
            f"{folder} holds {len(files)} MCAP files, expected one; is it the folder of an episode?"
        )
    return files[0]

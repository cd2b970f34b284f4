"""Moved to `spatialbot_model.contracts.episode_sidecar`, which training reads too."""

from spatialbot_model.contracts.episode_sidecar import (
    metadata_from_json,
    metadata_to_json,
    read_sidecar,
    write_sidecar,
)

__all__ = ["metadata_from_json", "metadata_to_json", "read_sidecar", "write_sidecar"]

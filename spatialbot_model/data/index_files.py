"""Episode indices on disk, so that a dataset of thousands opens without walking its bags.

An index belongs to the exact files it was made from: it is made again when the size or the time
of one of them, or the bytes of the episode's metadata, are others.
"""

import hashlib
import json
import logging
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts.episode import SIDECAR_NAME, EpisodeMetadata
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_model.data.annotations import Annotations
from spatialbot_model.data.bag_reader import BAG_METADATA_NAME
from spatialbot_model.data.episode_index import EpisodeIndex, build_index
from spatialbot_model.data.mcap_file import Channel

_VERSION = 6
_ARRAYS = (
    "T_base_camera",
    "frame_stamps_ns",
    "color_at",
    "depth_at",
    "step_stamps_ns",
    "step_frames",
    "step_states",
    "bins",
)
_LISTS = ("sources", "texts", "instructions")
_LOG = logging.getLogger(__name__)


def episode_key(folder: Path) -> str:
    """Name of an episode in a cache: of its absolute path (16 hex digits)."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]


def fingerprint(folder: Path) -> str:
    """What an index or a cache of this episode was made from (32 hex digits).

    Raises:
        RecordingError: not a closed episode.
    """
    digest = hashlib.sha256()
    try:
        for name in (BAG_METADATA_NAME, SIDECAR_NAME):
            digest.update((folder / name).read_bytes() + b"\0")
        for path in sorted(folder.glob("*.mcap")):
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    except OSError as error:
        raise RecordingError(
            f"cannot read {error.filename}: {error.strerror}. Is {folder} the folder of a closed"
            " episode?"
        ) from error
    return digest.hexdigest()[:32]


def load_or_build_index(folder: Path, cache_folder: Path | None, history: int = 4) -> EpisodeIndex:
    """The stored index of an episode, or a new one, which is stored.

    Args:
        cache_folder: where indices are kept; None keeps none.

    Raises:
        RecordingError, ActionSpecMismatchError: see `build_index`.
    """
    if cache_folder is None:
        return build_index(folder, history)
    made_from = fingerprint(folder)
    path = cache_folder / "index" / f"{folder.name[:80]}-{episode_key(folder)}.npz"
    index = _load(path, folder, made_from, history)
    if index is None:
        index = build_index(folder, history)
        try:
            _store(path, index, made_from, history)
        except OSError as error:
            _LOG.warning("the index of %s is not kept: %s", folder, error)
    return index


def _store(path: Path, index: EpisodeIndex, made_from: str, history: int) -> None:
    facts = {
        "version": _VERSION,
        "made_from": made_from,
        "history": history,
        "metadata": index.metadata.to_mapping(),
        "files": index.files,
        "intrinsics": asdict(index.intrinsics),
        "color_channel": asdict(index.color_channel),
        "depth_channel": asdict(index.depth_channel),
        "lost": dict(index.lost),
        **{name: getattr(index, name) for name in _LISTS},
        "annotation_instructions": index.annotations.instructions,
        "annotation_texts": index.annotations.texts,
    }
    arrays: dict[str, Any] = {name: getattr(index, name) for name in _ARRAYS}
    arrays["annotation_steps"] = index.annotations.steps
    arrays["annotation_waypoints"] = index.annotations.waypoints
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # several processes may open one dataset; each leaves a whole file
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path, folder: Path, made_from: str, history: int) -> EpisodeIndex | None:
    """None when there is none that fits; a damaged one is made again."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            # a zip member is checked against its CRC as it is read
            facts = json.loads(stored["facts"].tobytes())
            if (facts["version"], facts["made_from"], facts["history"]) != (
                _VERSION,
                made_from,
                history,
            ):
                return None
            camera = facts["intrinsics"]
            camera["distortion"] = tuple(camera["distortion"])
            values: dict[str, Any] = {name: stored[name] for name in _ARRAYS}
            values |= {name: tuple(facts[name]) for name in _LISTS}
            return EpisodeIndex(
                folder=folder,
                metadata=EpisodeMetadata.from_mapping(facts["metadata"]),
                files=tuple(facts["files"]),
                intrinsics=CameraIntrinsics(**camera),
                color_channel=Channel(**facts["color_channel"]),
                depth_channel=Channel(**facts["depth_channel"]),
                annotations=Annotations(
                    stored["annotation_steps"],
                    stored["annotation_waypoints"],
                    tuple(facts["annotation_instructions"]),
                    tuple(facts["annotation_texts"]),
                ),
                lost=facts["lost"],
                **values,
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, RecordingError) as error:
        _LOG.warning("the stored index %s is damaged and made again: %s", path, error)
        return None

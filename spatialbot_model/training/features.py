"""What a frozen vision tower says of every frame, on disk: computed once, read at random.

One file per episode, float16, (F, images, P, C) in the order of the episode's frames: the
features of `tower_features` before RGB and depth are joined, so that a model with depth and one
without read the same files. Their mean over P, which is what an older frame is shown as, lies
beside it.
"""

import copy
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import IMAGE_ROLES, PromptImage
from spatialbot_model.contracts.worker_pool import worker_pool
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.index_files import episode_key, fingerprint
from spatialbot_model.modeling.projector import pixel_shuffle
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.modeling.vision import patch_features
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.array_file import ArrayFile

_FRAMES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class EpisodeFeatures:
    """Files of one episode; F frames, 2 images (rgb, depth), P tokens, C channels.

    Attributes:
        full: (F, 2, P, C) float16.
        pooled: (F, 2, C) float16, the mean over P.
    """

    full: ArrayFile
    pooled: ArrayFile


class FeatureStore:
    """Features of episodes by one tower and one way of preparing images.

    Args:
        model: whose tower encodes; it must not change afterwards.
        processor: prepares the images.
        folder: files of several towers may share it.
        dtype: that the tower computes in.
        mirrored: of the pictures turned left to right (`data.mirroring`).
    """

    def __init__(
        self,
        model: SpatialBotForConditionalGeneration,
        processor: SpatialBotProcessor,
        folder: Path,
        dtype: torch.dtype = torch.float32,
        *,
        mirrored: bool = False,
    ) -> None:
        self._mirrored = mirrored
        self._config, self._processor = model.config, processor
        tower: Any = copy.deepcopy(model.vision_tower)
        self._tower = tower.to(dtype).eval()
        digest = hashlib.sha256()
        for name, weight in sorted(self._tower.state_dict().items()):
            digest.update(name.encode() + weight.float().cpu().numpy().tobytes())
        digest.update(json.dumps(processor.image_settings.to_mapping()).encode())
        digest.update(str(model.config.pixel_shuffle).encode())
        name = digest.hexdigest()[:16] + ("-mirrored" if mirrored else "")
        self.folder = folder / "features" / name

    @property
    def device(self) -> torch.device:
        """Where the tower is."""
        device: torch.device = self._tower.device
        return device

    def path(self, episode: EpisodeIndex) -> Path:
        """Of the full features; those of a bag that changed have another name."""
        made_from = fingerprint(episode.folder)[:16]
        return self.folder / f"{episode.name[:80]}-{episode_key(episode.folder)}-{made_from}.npy"

    def has(self, episode: EpisodeIndex) -> bool:
        """Whether an episode is done."""
        path = self.path(episode)
        return path.is_file() and _pooled_path(path).is_file()

    def open(self, episode: EpisodeIndex) -> EpisodeFeatures:
        """The features of one episode.

        Raises:
            RecordingError: they were not built, or do not belong to the frames.
        """
        path = self.path(episode)
        try:
            full, pooled = ArrayFile(path), ArrayFile(_pooled_path(path))
        except (OSError, ValueError) as error:
            raise RecordingError(
                f"the features of {episode.name} cannot be read: {error}; build them"
            ) from error
        if len(full) != episode.num_frames:
            raise RecordingError(
                f"{path} holds {len(full)} frames, {episode.name} has {episode.num_frames};"
                " remove the file and build it again"
            )
        return EpisodeFeatures(full, pooled)

    def build(self, episode: EpisodeIndex) -> None:
        """Encode one episode, unless that is done.

        Raises:
            RecordingError: a frame cannot be read.
        """
        if self.has(episode):
            return
        path = self.path(episode)
        path.parent.mkdir(parents=True, exist_ok=True)
        full = np.concatenate(list(self._encoded(episode)))
        _write(_pooled_path(path), full.astype(np.float32).mean(axis=2).astype(np.float16))
        _write(path, full)

    @torch.inference_mode()
    def _encoded(self, episode: EpisodeIndex) -> Iterator[NDArray[np.float16]]:
        config, reader = self._config, episode.reader()
        try:
            for start in range(0, episode.num_frames, _FRAMES_AT_ONCE):
                images = []
                for number in range(start, min(start + _FRAMES_AT_ONCE, episode.num_frames)):
                    frame = episode.read_frame(reader, number)
                    color, depth_mm = frame.color, frame.depth_mm
                    if self._mirrored:
                        color = np.ascontiguousarray(color[:, ::-1])
                        depth_mm = np.ascontiguousarray(depth_mm[:, ::-1])
                    images += [PromptImage("rgb", color), PromptImage("depth", depth_mm)]
                pixels = self._processor.pixel_values(images).to(self.device)
                features = patch_features(self._tower, config, pixels)
                features = pixel_shuffle(features, config.pixel_shuffle)
                pairs = features.reshape(-1, len(IMAGE_ROLES), *features.shape[1:])
                yield pairs.to(torch.float16).cpu().numpy()
        finally:
            reader.close()


def build_features(
    store: FeatureStore,
    episodes: Sequence[EpisodeIndex],
    *,
    workers: int = 1,
    on_episode: Callable[[EpisodeIndex], None] | None = None,
) -> None:
    """Build what is missing, in this process or in several with one thread each.

    Raises:
        RecordingError: a frame cannot be read.
    """
    missing = [episode for episode in episodes if not store.has(episode)]
    if workers <= 1 or store.device.type != "cpu":
        for episode in missing:
            store.build(episode)
            if on_episode is not None:
                on_episode(episode)
        return
    with worker_pool(workers, _set_store, store) as pool:
        for episode in pool.map(_build, missing):
            if on_episode is not None:
                on_episode(episode)


def _pooled_path(path: Path) -> Path:
    return path.with_suffix(".pooled.npy")


def _write(path: Path, values: NDArray[np.float16]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.save(file, values, allow_pickle=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


_store: FeatureStore | None = None


def _set_store(store: FeatureStore) -> None:
    global _store
    torch.set_num_threads(1)
    _store = store


def _build(episode: EpisodeIndex) -> EpisodeIndex:
    assert _store is not None
    _store.build(episode)
    return episode

"""Episodes to train on: several folders with weights, split by scene, and what became of them."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode import SIDECAR_NAME
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.training.validation import is_validation_scene

_MAX_LISTED = 10


@dataclass(frozen=True, slots=True)
class DataSource:
    """A folder of episodes, or a file of questions, and how often its samples are drawn.

    Attributes:
        path: of the folder or file.
        weight: of each of its samples, relative to those of other sources.

    Raises:
        ConfigurationError: a weight that is not finite or not above 0.
    """

    path: Path
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise ConfigurationError(
                f"the weight of {self.path} is {self.weight}, expected a number above 0"
            )

    @classmethod
    def parse(cls, text: str) -> "DataSource":
        """``DIR`` or ``DIR=weight``.

        Raises:
            ConfigurationError: the weight is no number above 0.
        """
        path, equals, weight = text.rpartition("=")
        if not equals:
            return cls(Path(text))
        try:
            return cls(Path(path), float(weight))
        except ValueError as error:
            raise ConfigurationError(
                f"--data {text}: {weight!r} is no weight above 0; write DIR or DIR=weight"
            ) from error


@dataclass(frozen=True, slots=True, eq=False)
class EpisodeSplit:
    """Episodes to learn from and to validate with; no scene is in both.

    Attributes:
        train: samples to learn from.
        train_weights: (E,) weight of the samples of each episode of `train`.
        validation: samples of the scenes kept for it; None where there are none.
        digest: of the episodes, their weights and the split, as hexadecimal text.
        notes: what was used and what was not, for the reader.
    """

    train: EpisodeDataset
    train_weights: NDArray[np.float64]
    validation: EpisodeDataset | None
    digest: str
    notes: tuple[str, ...]

    @property
    def sample_weights(self) -> NDArray[np.float64]:
        """(n,) weight of each sample of `train`, as its source says."""
        lengths = [len(episode) for episode in self.train.episodes]
        return np.repeat(self.train_weights, lengths)


def open_episodes(
    sources: Sequence[DataSource],
    *,
    validation_share: float,
    history: int,
    cache: CacheOptions | None = None,
    on_episode: Callable[[Path], None] | None = None,
) -> EpisodeSplit:
    """Index the successful episodes of scenes that are not kept for tests.

    Raises:
        RecordingError: a folder without a usable episode; names the first reasons.
        ActionSpecMismatchError: the episodes' bins do not all mean the same.
        ConfigurationError: no source, or every scene fell to the validation.
    """
    if not sources:
        raise ConfigurationError("no data; give a folder of episodes with --data")
    parts: tuple[list[tuple[EpisodeIndex, float]], ...] = ([], [])
    notes: list[str] = []
    for source in sources:
        opened = EpisodeDataset.open(
            source.path, history=history, split="train", cache=cache, on_episode=on_episode
        )
        notes.append(f"{source.path}: {opened.report.summary()}")
        skipped = [f"  skipped {folder.name}: {why}" for folder, why in opened.report.skipped]
        notes += skipped[:_MAX_LISTED]
        if len(skipped) > _MAX_LISTED:
            notes.append(f"  and {len(skipped) - _MAX_LISTED} more")
        for episode in opened.episodes:
            held_out = is_validation_scene(episode.metadata, validation_share)
            parts[held_out].append((episode, source.weight))
    learned, held = parts
    if not learned:
        raise ConfigurationError(
            f"all {len(held)} episodes fell to the validation; record more scenes, or set"
            " validation_share=0"
        )
    train = EpisodeDataset([episode for episode, _ in learned], cache=cache)
    validation = EpisodeDataset([episode for episode, _ in held], cache=cache) if held else None
    if validation is not None:
        train.action_spec.check_compatible(validation.action_spec)
    notes.append(
        f"{len(train)} samples of {len(learned)} episodes to learn from,"
        f" {len(validation or ())} of {len(held)} to validate with"
    )
    return EpisodeSplit(
        train=train,
        train_weights=np.array([weight for _, weight in learned], np.float64),
        validation=validation,
        digest=_digest(parts),
        notes=tuple(notes),
    )


def _digest(parts: Sequence[Sequence[tuple[EpisodeIndex, float]]]) -> str:
    """Equal for copies of the same episodes, wherever they lie and whenever they were written."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"part of {len(part)}\0".encode())
        for episode, weight in part:
            digest.update(f"{episode.name}\0{weight!r}\0".encode())
            digest.update((episode.folder / SIDECAR_NAME).read_bytes())
            for values in (episode.step_stamps_ns, episode.step_frames, episode.bins):
                digest.update(np.ascontiguousarray(values).tobytes())
            digest.update("\0".join(episode.texts).encode())
    return digest.hexdigest()

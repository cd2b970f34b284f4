"""Frames of recorded episodes (SpatialQA-E) as scenes."""

import re
from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.data.samples import EpisodeDataset

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class EpisodesRecipe:
    """Every n-th step of the episodes below a folder; may be pickled.

    Attributes:
        every: steps from one scene to the next.
        limit: at most so many scenes; 0 = all.

    Raises:
        ConfigurationError: no step.
    """

    folder: Path
    every: int = 10
    limit: int = 0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigurationError(f"every {self.every} steps; expected 1 or more")

    def open(self) -> "EpisodeScenes":
        """Index the episodes.

        Raises:
            RecordingError: there is none that can be used.
        """
        return EpisodeScenes(EpisodeDataset.open(self.folder, history=1), self.every, self.limit)

    def describe(self) -> dict[str, object]:
        """What decides about the scenes."""
        return {
            "name": "episodes",
            "folder": self.folder.name,
            "every": self.every,
            "limit": self.limit,
        }


class EpisodeScenes:
    """See `EpisodesRecipe`."""

    def __init__(self, dataset: EpisodeDataset, every: int, limit: int) -> None:
        self._dataset = dataset
        ends = [len(episode) for episode in dataset.episodes]
        starts = [sum(ends[:k]) for k in range(len(ends))]
        numbers = [
            start + step
            for start, length in zip(starts, ends, strict=True)
            for step in range(0, length, every)
        ]
        self._numbers = numbers[: limit or None]

    def __len__(self) -> int:
        return len(self._numbers)

    def load(self, index: int) -> AnnotatedScene:
        """The newest frame of a step.

        Raises:
            RecordingError: it cannot be read.
        """
        sample = self._dataset[self._numbers[index]]
        frame = sample.frames[0]
        return AnnotatedScene(
            f"{_UNSAFE.sub('-', sample.episode)}_{sample.step:06d}",
            frame.color,
            frame.depth_mm,
            intrinsics=frame.intrinsics,
        )

    def close(self) -> None:
        """Give files back."""
        self._dataset.close()

"""Which folders are episodes, which of them a dataset uses, and what became of the others."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatialbot_model.contracts.episode import SIDECAR_NAME, EpisodeMetadata
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.data.bag_reader import BAG_METADATA_NAME

FIRST_TEST_SEED = 1_000_000
"""Scenes of this seed and above are never trained on."""

SPLITS = ("train", "test", "all")


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What became of every folder; nothing is left out silently.

    Attributes:
        used: episodes in the dataset.
        skipped: folder and why it cannot be used.
        excluded: folder and which filter left it out.
        lost_steps: (episode, reason, number) of single steps that cannot be used.
    """

    used: tuple[Path, ...] = ()
    skipped: tuple[tuple[Path, str], ...] = ()
    excluded: tuple[tuple[Path, str], ...] = ()
    lost_steps: tuple[tuple[str, str, int], ...] = ()

    def summary(self) -> str:
        """One line."""
        lost = sum(number for *_, number in self.lost_steps)
        return (
            f"{len(self.used)} episodes used, {len(self.excluded)} left out by label or split,"
            f" {len(self.skipped)} unusable, {lost} steps unusable"
        )


def find_episodes(source: Path | Iterable[Path]) -> tuple[Path, ...]:
    """Folders of episodes in a deterministic order: by name, then by path.

    Folders that only look like an episode (a bag without sidecar, or the other way round) are
    among them, so that they are reported and not overlooked.

    Raises:
        RecordingError: a folder is not there.
    """
    roots = [source] if isinstance(source, Path) else list(source)
    found: set[Path] = set()
    for root in roots:
        if not root.is_dir():
            raise RecordingError(f"{root} is no folder; give an episode or a folder of episodes")
        for folder, subfolders, files in os.walk(root, followlinks=True):
            subfolders[:] = [name for name in subfolders if not name.startswith(".")]
            if SIDECAR_NAME in files or BAG_METADATA_NAME in files:
                found.add(Path(folder))
                subfolders.clear()
    return tuple(sorted(found, key=lambda folder: (folder.name, str(folder))))


def is_test_seed(seed: int | None) -> bool:
    """Whether a scene is kept for tests; recordings without a seed are for training."""
    return seed is not None and seed >= FIRST_TEST_SEED


def exclusion(metadata: EpisodeMetadata, labels: Sequence[str], split: str) -> str:
    """Why an episode is not among those asked for; empty when it is."""
    if metadata.label not in labels:
        return f"label {metadata.label}"
    if split != "all" and is_test_seed(metadata.seed) != (split == "test"):
        return f"seed {metadata.seed} is not in the split {split}"
    return ""

"""What a dataset card says, counted over all episodes."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS, ActionSpec
from spatialbot_model.contracts.episode_contents import EpisodeContents
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.glimpse import moment_of

RELATIONS: Mapping[str, tuple[str, ...]] = {
    "left": ("left", "leftmost"),
    "right": ("right", "rightmost"),
    "middle": ("middle", "center", "centre", "between"),
    "front": ("front", "frontmost", "nearer", "nearest", "closer", "closest"),
    "behind": ("behind", "back", "farther", "farthest", "further", "furthest"),
    "up": ("up", "upper", "upmost", "above", "higher", "highest", "top"),
    "down": ("down", "lower", "lowest", "below", "under", "bottom"),
    "on": ("on", "onto"),
    "in": ("in", "into", "inside"),
    "outside": ("outside", "out"),
    "tall": ("tall", "taller", "tallest"),
    "short": ("short", "shorter", "shortest"),
    "large": ("large", "larger", "largest", "big", "bigger", "biggest"),
    "small": ("small", "smaller", "smallest"),
    "wide": ("wide", "wider", "widest"),
    "thin": ("thin", "thinner", "thinnest", "narrow", "narrower", "narrowest"),
}
"""Spatial relation -> the words by which an instruction speaks of it, in every degree."""


@dataclass(slots=True)
class CardSummary:
    """Counts over a dataset.

    Attributes:
        spec: what the bins mean, the same in all episodes.
        labels: label -> whole episodes.
        families: task name -> label -> whole episodes.
        moments: moment -> glimpses; what is counted of them with whole episodes are instructions,
            relations, sources, actions and devices.
        instructions, sources: text -> episodes, source -> actions.
        relations: relation -> episodes whose instruction speaks of it.
        lengths, glimpse_lengths: steps of each whole episode and of each glimpse.
        durations_s: of each episode or glimpse that was closed.
        bins: (7, 101) how often each bin of each dimension occurs.
        sums, squares: (7,) of the metric actions.
        low, high: (7,) the extremes.
        cameras, robots, versions: text -> episodes.
        num_seeds: different scene seeds.
        intervals_ms: median time between the frames of successive steps, of each episode.
    """

    spec: ActionSpec = field(default_factory=ActionSpec)
    labels: Counter[str] = field(default_factory=Counter)
    families: dict[str, Counter[str]] = field(default_factory=dict)
    moments: Counter[str] = field(default_factory=Counter)
    instructions: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    glimpse_lengths: list[int] = field(default_factory=list)
    durations_s: list[float] = field(default_factory=list)
    bins: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((len(ACTION_NAMES), NUM_BINS), np.int64)
    )
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(ACTION_NAMES)))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(ACTION_NAMES)))
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(len(ACTION_NAMES), np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(len(ACTION_NAMES), -np.inf))
    cameras: Counter[str] = field(default_factory=Counter)
    robots: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    num_seeds: int = 0
    intervals_ms: list[float] = field(default_factory=list)

    @property
    def num_episodes(self) -> int:
        """Whole episodes counted."""
        return len(self.lengths)

    @property
    def num_glimpses(self) -> int:
        """Glimpses counted."""
        return len(self.glimpse_lengths)

    @property
    def num_steps(self) -> int:
        """Actions with a frame, of episodes and glimpses."""
        return sum(self.lengths) + sum(self.glimpse_lengths)

    def action_rows(self) -> list[dict[str, float | str]]:
        """Mean, standard deviation, extremes and the share of no motion, per dimension."""
        num = max(self.num_steps, 1)
        mean = self.sums / num
        std = np.sqrt(np.maximum(self.squares / num - mean**2, 0.0))
        units = ["m"] * 3 + ["rad"] * 3 + ["closed"]
        return [
            {
                "name": name,
                "unit": units[i],
                "mean": float(mean[i]),
                "std": float(std[i]),
                "min": float(self.low[i]) if self.num_steps else 0.0,
                "max": float(self.high[i]) if self.num_steps else 0.0,
                "bins_used": int(np.count_nonzero(self.bins[i])),
                "at_limit": float((self.bins[i, 0] + self.bins[i, -1]) / num),
            }
            for i, name in enumerate(ACTION_NAMES)
        ]

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "episodes": self.num_episodes,
            "glimpses": dict(self.moments),
            "steps": self.num_steps,
            "labels": dict(self.labels),
            "families": {name: dict(labels) for name, labels in self.families.items()},
            "relations": dict(self.relations),
            "instructions": dict(self.instructions),
            "sources": dict(self.sources),
            "actions": self.action_rows(),
            "action_spec": self.spec.to_mapping(),
        }


def relations_of(instruction: str) -> set[str]:
    """The relations that an instruction speaks of."""
    words = set(re.findall(r"[a-z]+", instruction.lower()))
    return {relation for relation, forms in RELATIONS.items() if words & set(forms)}


def summarise(episodes: Iterable[EpisodeContents]) -> CardSummary:
    """Count; images are not read.

    Raises:
        RecordingError: there is no episode.
        ActionSpecMismatchError: the episodes' actions do not mean the same.
    """
    summary, seeds = CardSummary(), set()
    for episode in episodes:
        metadata, steps = episode.metadata, episode.steps
        if not summary.num_episodes + summary.num_glimpses:
            summary.spec = metadata.spec
        summary.spec.check_compatible(metadata.spec)
        moment = moment_of(metadata)
        if moment:
            summary.moments[moment] += 1
            summary.glimpse_lengths.append(len(steps))
        else:
            summary.labels[metadata.label] += 1
            summary.families.setdefault(metadata.task, Counter())[metadata.label] += 1
            summary.lengths.append(len(steps))
        summary.instructions[metadata.instruction] += 1
        summary.relations.update(relations_of(metadata.instruction))
        summary.sources.update(steps.source)
        if metadata.duration_s is not None:
            summary.durations_s.append(metadata.duration_s)
        if len(steps) > 1:
            summary.intervals_ms.append(float(np.median(np.diff(steps.capture_ns))) / 1e6)
        camera = episode.intrinsics
        identity = metadata.camera or "not named"
        summary.cameras[f"{identity}, {camera.width}x{camera.height}, fx {camera.fx_px:.1f}"] += 1
        summary.robots[metadata.robot or "not named"] += 1
        summary.versions[metadata.software_version or "not named"] += 1
        seeds |= {metadata.seed} - {None}
        _count_actions(summary, episode)
    if not summary.num_episodes + summary.num_glimpses:
        raise RecordingError("there is no episode to describe")
    summary.num_seeds = len(seeds)
    return summary


def _count_actions(summary: CardSummary, episode: EpisodeContents) -> None:
    actions = episode.steps.action.astype(np.float64)
    if not len(actions):
        return
    summary.sums += actions.sum(axis=0)
    summary.squares += (actions**2).sum(axis=0)
    summary.low = np.minimum(summary.low, actions.min(axis=0))
    summary.high = np.maximum(summary.high, actions.max(axis=0))
    for dimension in range(len(ACTION_NAMES)):
        summary.bins[dimension] += np.bincount(episode.steps.bins[:, dimension], minlength=NUM_BINS)

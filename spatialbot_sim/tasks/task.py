"""A task family: a name and a way to lay the table; which seeds belong to which split."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatialbot_sim.tasks.grammar import load_grammar
from spatialbot_sim.tasks.scene import Novelty, Scene

Split = Literal["train", "test"]


_NOVELTIES: tuple[Novelty, ...] = ("", "paraphrase", "object", "combination")


@dataclass(frozen=True, slots=True)
class Task:
    """A family of scenes."""

    name: str
    description: str
    lay: Callable[["Task", int, np.random.Generator], Scene]

    def sample(self, seed: int) -> Scene:
        """The scene of this task for a seed; equal arguments give equal scenes."""
        return self.lay(self, seed, self.rng(seed))

    def rng(self, seed: int) -> np.random.Generator:
        """What all draws of a scene come from."""
        # crc32, not hash(): Python salts string hashes per process
        return np.random.default_rng([zlib.crc32(self.name.encode()), seed % 2**63])


def split_of(seed: int) -> Split:
    """Whether scenes of a seed may be trained on."""
    return "test" if seed >= load_grammar().first_test_seed else "train"


def novelty_of(seed: int) -> Novelty:
    """What of a seed's scene never occurs in training: by turns nothing, words, object, relation.

    Families without held-out parts take no notice.
    """
    return _NOVELTIES[seed % 4] if split_of(seed) == "test" else ""

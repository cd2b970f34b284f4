"""Which samples an evaluation looks at, and which scenes are kept for it."""

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np

from spatialbot_model.contracts.episode import EpisodeMetadata
from spatialbot_model.training.contracts import Batch, TrainingData
from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.sampling import batch_seed

_ORDER_SEED = 20_240_619


def validation_batches(
    data: TrainingData, recipe: Recipe, rank: int = 0, num_processes: int = 1
) -> list[tuple[Callable[[], Batch], float]]:
    """What one process evaluates: makers of batches and how many new samples each holds.

    The same samples every time, spread over the data; every process has equally many batches.
    """
    size = recipe.micro_batch_size
    order = np.random.default_rng(_ORDER_SEED).permutation(len(data))
    order = order[: recipe.evaluate_batches * size]
    chunks = [order[at : at + size].tolist() for at in range(0, len(order), size)]
    rounds = -(-len(chunks) // num_processes)
    batches: list[tuple[Callable[[], Batch], float]] = []
    for number in range(rank, rounds * num_processes, num_processes):
        # processes exchange something in every forward pass; one without work repeats the first
        chunk = chunks[number % len(chunks)]
        weight = float(len(chunk)) if number < len(chunks) else 0.0
        batches.append((partial(data.batch, chunk, batch_seed(_ORDER_SEED, number)), weight))
    return batches


def is_validation_scene(metadata: EpisodeMetadata, share: float) -> bool:
    """Whether an episode's scene is among the `share` that is not learned from.

    Decided by the scene's seed, so that all episodes of a scene, of whatever round, are on the
    same side; by task and instruction where a recording has no seed.
    """
    scene = (
        f"{metadata.task}\0{metadata.instruction}" if metadata.seed is None else str(metadata.seed)
    )
    return is_held_out(scene, share)


def is_held_out(scene: str, share: float) -> bool:
    """Whether a scene, by name, is among the `share` that is not learned from."""
    digest = hashlib.sha256(scene.encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64

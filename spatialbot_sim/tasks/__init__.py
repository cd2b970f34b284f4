"""Task families: what to ask for and how to lay the table for it, from a name and a seed.

A `Scene` says everything that a world needs; the same task and seed give the same scene on every
machine. `split_of` says which seeds are for testing.
"""

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_sim.tasks.pick_place import (
    OBJECT_SPACING_M,
    PICK_PLACE,
    RELATION_MARGIN_M,
    related_index,
)
from spatialbot_sim.tasks.scene import Novelty, Place, PlaceRelation, Scene, place_of
from spatialbot_sim.tasks.spatialqa_e import SPATIALQA_E
from spatialbot_sim.tasks.task import Split, Task, novelty_of, split_of

__all__ = [
    "OBJECT_SPACING_M",
    "RELATION_MARGIN_M",
    "TASKS",
    "Novelty",
    "Place",
    "PlaceRelation",
    "Scene",
    "Split",
    "Task",
    "novelty_of",
    "place_of",
    "related_index",
    "sample_scene",
    "split_of",
]

TASKS: dict[str, Task] = {task.name: task for task in (*PICK_PLACE, *SPATIALQA_E)}
"""Registry by name."""


def sample_scene(task: str, seed: int, split: Split | None = None) -> Scene:
    """The scene of a task by name.

    Args:
        task: name in `TASKS`.
        seed: which scene; it also says the split.
        split: what the caller needs; guards against training on test scenes.

    Raises:
        UnknownNameError: no such task; lists those that exist.
        ConfigurationError: the seed belongs to the other split.
    """
    if task not in TASKS:
        raise UnknownNameError("task", task, TASKS)
    if split is not None and split_of(seed) != split:
        raise ConfigurationError(
            f"seed {seed} gives a {split_of(seed)} scene, asked for was {split};"
            " test seeds begin at 1000000, see datasets/spatialqa_e/splits.yaml"
        )
    return TASKS[task].sample(seed)

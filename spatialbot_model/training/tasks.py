"""What can be learned: functions from data and a starting checkpoint to a `TrainingTask`."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.contracts import TrainingTask
from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.sources import DataSource


@dataclass(frozen=True, slots=True, eq=False)
class TaskRequest:
    """What a task is made from.

    Attributes:
        recipe: the hyper-parameters.
        sources: where the data lie.
        cache: folder for frames and features; None reads bags and encodes every time.
        load_start: gives model (float32, evaluation mode, CPU) and processor to start from, for
            data of this action spec (None for pure conversation). Called once, when the data
            are open. Refuses a checkpoint with another spec.
        report: told in words of what takes time.
    """

    recipe: Recipe
    sources: tuple[DataSource, ...]
    cache: Path | None
    load_start: Callable[
        [ActionSpec | None], tuple[SpatialBotForConditionalGeneration, SpatialBotProcessor]
    ]
    report: Callable[[str], None] = field(default=lambda line: None)


TASKS: Mapping[str, str] = MappingProxyType(
    {
        "actions": "spatialbot_model.training.action_task:make_action_task",
        "conversations": "spatialbot_model.training.conversation_task:make_conversation_task",
        "multitask": "spatialbot_model.training.action_task:make_multitask",
    }
)
"""Task -> module and function; imported only when it is used."""


def make_task(request: TaskRequest) -> TrainingTask:
    """The task of a recipe.

    Raises:
        UnknownNameError: no task of this name.
        SpatialBotError: the data or the checkpoint cannot be used.
    """
    name = request.recipe.task
    if name not in TASKS:
        raise UnknownNameError("task", name, TASKS)
    module, _, function = TASKS[name].partition(":")
    make: Any = getattr(importlib.import_module(module), function)
    task: TrainingTask = make(request)
    return task

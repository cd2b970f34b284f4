"""A training from start to end: data, model, loop, curves; what `spatialbot train` calls."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError
from spatialbot_model.modeling.checkpoint import check_action_spec, load_model
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.cards import card_writer
from spatialbot_model.training.loop import STATES_NAME, Progress, Trainer, TrainingResult
from spatialbot_model.training.recipe import CHANGED_AT_WILL, Recipe
from spatialbot_model.training.signals import stop_on_signals
from spatialbot_model.training.sources import DataSource
from spatialbot_model.training.state_files import StateFolder, write_json
from spatialbot_model.training.tasks import TaskRequest, make_task

START_NAME = "start"
RUN_NAME = "run.json"

MakeStart = Callable[[str, Path, int, ActionSpec | None], None]
"""Writes a new model: preset, folder, seed, what its actions mean."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRequest:
    """What is trained, on what, and where to.

    Attributes:
        recipe: the hyper-parameters.
        data: ``DIR`` or ``DIR=weight`` each.
        folder: of the training.
        cache: for frames and features.
        start: checkpoint to start from; None for a new model.
        make_start: writes the new model.
        resume: go on with the training in `folder`.
    """

    recipe: Recipe
    data: tuple[str, ...]
    folder: Path
    cache: Path
    make_start: MakeStart
    start: Path | None = None
    resume: bool = False


def run_training(
    request: TrainingRequest,
    *,
    observer: Callable[[Progress], None] | None = None,
    report: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Train; SIGINT and SIGTERM save the state and end it.

    Raises:
        SpatialBotError: the data, the checkpoint or a setting cannot be used.
    """
    start = _begin(request)
    task = make_task(
        TaskRequest(
            recipe=request.recipe,
            sources=tuple(DataSource.parse(text) for text in request.data),
            cache=request.cache,
            load_start=lambda spec: _load_start(request, start, spec),
            report=report or (lambda line: None),
        )
    )
    write_card = card_writer(
        request.recipe,
        data_digest=task.data_digest,
        data=request.data,
        notes=task.notes,
        start=str(request.start or f"new {request.recipe.preset}"),
    )
    # before this nothing is lost by an interruption
    with stop_on_signals() as stop:
        trainer = Trainer(
            request.recipe,
            task,
            request.folder,
            stop=stop,
            observer=observer,
            write_card=write_card,
        )
        return trainer.run(resume=request.resume)


def resumed_run(folder: Path, name: str, settings: dict[str, str]) -> tuple[Recipe, dict[str, Any]]:
    """The recipe of a training to go on with, and what else `RUN_NAME` in its folder says.

    Args:
        settings: may change how it is logged, evaluated and saved; nothing that is learned.

    Raises:
        CheckpointError: there is no training in the folder.
        ConfigurationError: it is of another recipe, or a setting would change what is learned.
    """
    path = folder / RUN_NAME
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        stored = Recipe.from_mapping(values["recipe"])
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{folder} holds no training to resume ({error})") from error
    if stored.name != name:
        raise ConfigurationError(f"{folder} holds a training of {stored.name}, not of {name}")
    changed = sorted(set(settings) - CHANGED_AT_WILL)
    if changed:
        raise ConfigurationError(
            f"{', '.join(changed)} cannot be set when a training is resumed; what can:"
            f" {', '.join(sorted(CHANGED_AT_WILL))}. For other values start a new training from"
            " its checkpoint"
        )
    return stored.with_settings(settings), values


def _begin(request: TrainingRequest) -> Path:
    """Write down what is trained; returns the folder of the checkpoint to start from."""
    start = request.start or request.folder / START_NAME
    if PartialState().is_main_process and not request.resume:
        if StateFolder(request.folder / STATES_NAME).steps():
            raise ConfigurationError(
                f"{request.folder} holds a training already; add --resume, or choose another folder"
            )
        try:
            # of a training that was interrupted before its first state, maybe with another seed
            shutil.rmtree(request.folder / START_NAME, ignore_errors=True)
            request.folder.mkdir(parents=True, exist_ok=True)
            write_json(
                request.folder / RUN_NAME,
                {
                    "recipe": request.recipe.to_mapping(),
                    "data": list(request.data),
                    "cache": str(request.cache.resolve()),
                    "start": None if request.start is None else str(request.start.resolve()),
                },
            )
        except OSError as error:
            raise CheckpointError(f"cannot write to {request.folder}: {error}") from error
    return start


def _load_start(
    request: TrainingRequest, folder: Path, spec: ActionSpec | None
) -> tuple[SpatialBotForConditionalGeneration, SpatialBotProcessor]:
    recipe = request.recipe
    with PartialState().main_process_first():
        if request.start is None and not (folder / "config.json").is_file():
            # a half written one is left of an interrupted start
            shutil.rmtree(folder, ignore_errors=True)
            temporary = folder.with_name(f".{folder.name}.tmp")
            shutil.rmtree(temporary, ignore_errors=True)
            request.make_start(recipe.preset, temporary, recipe.seed, spec)
            temporary.rename(folder)
    model = load_model(folder, dtype=torch.float32)
    if spec is not None and model.config.action_spec is not None:
        check_action_spec(model.config, spec)
    return model, SpatialBotProcessor.from_pretrained(folder)

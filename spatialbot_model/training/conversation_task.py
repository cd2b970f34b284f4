"""The task of the paper's recipes: conversations and control steps, images encoded live."""

import hashlib
from collections.abc import Sequence
from typing import Any

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.contracts import TrainingData, TrainingTask
from spatialbot_model.training.conversation_data import (
    ConversationData,
    EpisodeExamples,
    Examples,
    padding,
)
from spatialbot_model.training.conversation_objective import ConversationObjective
from spatialbot_model.training.mixture import MixtureData
from spatialbot_model.training.question_file import QuestionFile
from spatialbot_model.training.saving import model_saver
from spatialbot_model.training.sources import DataSource, EpisodeSplit, open_episodes
from spatialbot_model.training.tasks import TaskRequest
from spatialbot_model.training.trained_weights import choose_trained_weights
from spatialbot_model.training.validation import is_held_out


def make_conversation_task(request: TaskRequest) -> TrainingTask:
    """Folders of episodes and `.json` files of questions -> a task.

    Raises:
        RecordingError: a source that cannot be read.
        ActionSpecMismatchError: the checkpoint's bins mean something else than the data's.
        ConfigurationError: nothing is left to learn from.
    """
    recipe = request.recipe
    files = [source for source in request.sources if source.path.suffix == ".json"]
    folders = [source for source in request.sources if source.path.suffix != ".json"]
    split: EpisodeSplit | None = None
    if folders:
        split = open_episodes(
            folders,
            validation_share=recipe.validation_share,
            history=recipe.data.history,
            cache=None if request.cache is None else CacheOptions(request.cache),
        )
    questions = [(source, QuestionFile(source.path)) for source in files]
    notes = [f"{source.path}: {len(file)} conversations" for source, file in questions]
    notes = [*(split.notes if split is not None else ()), *notes]
    for note in notes:
        request.report(note)
    spec: ActionSpec | None = None if split is None else split.train.action_spec
    model, processor = request.load_start(spec)
    choose_trained_weights(model, recipe)
    train, validation = _parts(split, questions, processor, recipe.validation_share)
    if not train:
        raise ConfigurationError("no conversation is left to learn from; give more data")
    fills = padding(processor)
    return TrainingTask(
        model=model,
        objective=ConversationObjective(),
        train=MixtureData(train, fills),
        validation=MixtureData(validation, fills) if validation else None,
        save=model_saver(processor, recipe, spec),
        data_digest=_digest(split, questions),
        action_spec=None if spec is None else spec.to_mapping(),
        may_skip_weights=True,
        notes=tuple(notes),
    )


def _parts(
    split: EpisodeSplit | None,
    questions: Sequence[tuple[DataSource, QuestionFile]],
    processor: SpatialBotProcessor,
    share: float,
) -> tuple[list[tuple[TrainingData, Any]], list[tuple[TrainingData, Any]]]:
    def data(examples: Examples) -> TrainingData:
        return ConversationData(examples, processor)

    train: list[tuple[TrainingData, Any]] = []
    validation: list[tuple[TrainingData, Any]] = []
    if split is not None:
        train.append((data(EpisodeExamples(split.train, processor)), split.sample_weights))
        if split.validation is not None:
            validation.append((data(EpisodeExamples(split.validation, processor)), 1.0))
    for source, file in questions:
        held = [index for index in range(len(file)) if is_held_out(file.scene(index), share)]
        learned = sorted(set(range(len(file))) - set(held))
        for part, indices in ((train, learned), (validation, held)):
            if indices:
                part.append((data(file.subset(indices)), source.weight))
    return train, validation


def _digest(
    split: EpisodeSplit | None, questions: Sequence[tuple[DataSource, QuestionFile]]
) -> str:
    digest = hashlib.sha256((split.digest if split is not None else "").encode())
    for source, file in questions:
        digest.update(f"{file.digest}{source.weight!r}".encode())
    return digest.hexdigest()

"""The task of the mini recipes: actions, from cached features of a frozen vision tower."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.action_data import ActionData, ActionDataOptions
from spatialbot_model.training.action_objective import ActionObjective
from spatialbot_model.training.contracts import TrainingData, TrainingTask, unit_weights
from spatialbot_model.training.conversation_data import padding
from spatialbot_model.training.depth_questions import DepthQuestionData
from spatialbot_model.training.features import FeatureStore, build_features
from spatialbot_model.training.mixture import MixtureData
from spatialbot_model.training.saving import model_saver
from spatialbot_model.training.sources import open_episodes
from spatialbot_model.training.tasks import TaskRequest
from spatialbot_model.training.trained_weights import choose_trained_weights

_REPORT_EVERY = 50
_EPISODES_A_PROCESS = 20


def make_action_task(request: TaskRequest) -> TrainingTask:
    """Episodes -> cached features -> a task.

    Raises:
        ConfigurationError: the recipe trains the vision tower, whose features are cached.
        RecordingError: no usable episode.
        ActionSpecMismatchError: the checkpoint's bins mean something else than the data's.
    """
    return _make_task(request, question_share=0.0)


def make_multitask(request: TaskRequest) -> TrainingTask:
    """Actions, and questions about the depth of points in the same frames.

    Raises:
        ConfigurationError, RecordingError, ActionSpecMismatchError: see `make_action_task`.
    """
    return _make_task(request, question_share=request.recipe.question_share)


def _make_task(request: TaskRequest, question_share: float) -> TrainingTask:
    recipe = request.recipe
    if recipe.trained == "all":
        raise ConfigurationError(
            f"the recipe {recipe.name} reads cached features of the vision tower, which therefore"
            " cannot be trained; set trained=all-but-vision"
        )
    if request.cache is None:
        raise ConfigurationError(f"the recipe {recipe.name} needs a folder for features")
    split = open_episodes(
        request.sources,
        validation_share=recipe.validation_share,
        history=recipe.data.history,
        cache=CacheOptions(request.cache),
    )
    for note in split.notes:
        request.report(note)
    spec = split.train.action_spec
    model, processor = request.load_start(spec)
    datasets = [part for part in (split.train, split.validation) if part is not None]
    store = _build_features(request, model, processor, datasets)
    mirrored: FeatureStore | None = None
    if recipe.data.mirrored:
        mirrored = _build_features(request, model, processor, [split.train], mirrored=True)
    choose_trained_weights(model, recipe)
    if store.device.type == "cpu":
        # the fused kernel's way back takes a quarter of a step there (measured)
        model.language_model.set_attn_implementation("eager")

    def samples(
        dataset: EpisodeDataset,
        options: ActionDataOptions,
        factors: NDArray[np.float64],
        mirrored: FeatureStore | None = None,
    ) -> TrainingData:
        actions = ActionData(dataset, processor, store, options)
        parts: list[tuple[TrainingData, NDArray[np.float64]]] = [(actions, factors)]
        if mirrored is not None:
            turned = ActionData(dataset, processor, mirrored, options, mirrored=True)
            parts.append((turned, factors))
        if question_share:
            questions = DepthQuestionData(dataset, actions, processor, options.history)
            total = len(parts) * float((actions.weights() * factors).sum()) / float(factors.sum())
            parts.append((questions, factors * total * question_share / (1 - question_share)))
        return MixtureData(parts, padding(processor))

    exact = replace(
        recipe.data, position_noise_m=0.0, width_noise_m=0.0, feature_noise=0.0, word_noise=0.0
    )
    validation: TrainingData | None = None
    if split.validation is not None:
        validation = samples(split.validation, exact, unit_weights(len(split.validation)))
    return TrainingTask(
        model=model,
        objective=ActionObjective(recipe.objective),
        train=samples(split.train, recipe.data, split.sample_weights, mirrored),
        validation=validation,
        save=model_saver(processor, recipe, spec),
        data_digest=split.digest,
        action_spec=spec.to_mapping(),
        may_skip_weights=True,
        notes=split.notes,
    )


def _build_features(
    request: TaskRequest,
    model: SpatialBotForConditionalGeneration,
    processor: SpatialBotProcessor,
    parts: Sequence[EpisodeDataset],
    *,
    mirrored: bool = False,
) -> FeatureStore:
    """Features of all episodes; with several processes the first one makes them."""
    assert request.cache is not None
    episodes = [episode for part in parts for episode in part.episodes]
    with PartialState().main_process_first():
        dtype = torch.bfloat16 if request.recipe.precision == "bfloat16" else torch.float32
        # the store copies the tower, where it is
        tower: Any = model.vision_tower
        tower.to("cuda" if torch.cuda.is_available() else "cpu")
        store = FeatureStore(model, processor, request.cache, dtype, mirrored=mirrored)
        tower.to("cpu")
        missing = sum(not store.has(episode) for episode in episodes)
        if missing:
            what = "mirrored features" if mirrored else "features"
            request.report(f"{what} of {missing} episodes are made, in {store.folder}")
        done = 0

        def count(episode: EpisodeIndex) -> None:
            nonlocal done
            done += 1
            if done % _REPORT_EVERY == 0:
                request.report(f"{what}: {done} of {missing} episodes")

        # a process takes as long to start as it takes for some episodes
        workers = min(_num_cores(), 1 + missing // _EPISODES_A_PROCESS)
        build_features(store, episodes, workers=workers, on_episode=count)
    return store


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1

"""Checkpoint folders: ``config.json`` and safetensors, read strictly and never from a hub."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers.utils import logging as library_log

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import CheckpointError
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration

CONFIG_NAME = "config.json"
WEIGHT_PATTERN = "*.safetensors"

_MAX_LISTED = 20


def save_model(model: SpatialBotForConditionalGeneration, folder: Path | str) -> None:
    """Write configuration, generation settings and weights; `load_model` gives equal bits.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    try:
        with _without_progress_bars():
            model.save_pretrained(folder)
    except OSError as error:
        raise CheckpointError(f"cannot write a checkpoint to {folder}: {error}") from error


def load_config(folder: Path | str) -> SpatialBotConfig:
    """The configuration of a checkpoint folder.

    Raises:
        CheckpointError: no such folder or file, not JSON, or of another kind of model.
        ConfigurationError: values that cannot be used.
    """
    path = Path(folder) / CONFIG_NAME
    if not path.is_file():
        raise CheckpointError(
            f"{folder} is no checkpoint: it has no {CONFIG_NAME}; give the folder that"
            " `save_pretrained` or `spatialbot model new` wrote"
        )
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    found = values.get("model_type") if isinstance(values, dict) else None
    if found != SpatialBotConfig.model_type:
        raise CheckpointError(
            f"{path} describes a model of type {found!r}, expected"
            f" {SpatialBotConfig.model_type!r}; convert a released checkpoint with"
            " `spatialbot model import`"
        )
    try:
        config: SpatialBotConfig = SpatialBotConfig.from_pretrained(folder, local_files_only=True)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"cannot use {path}: {error}") from error
    return config


def load_model(
    folder: Path | str,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    attn_implementation: str = "sdpa",
) -> SpatialBotForConditionalGeneration:
    """A model in evaluation mode from a checkpoint folder; safetensors only.

    Args:
        folder: what `save_model` wrote.
        device: where the weights go.
        dtype: of the weights; as saved when left out.
        attn_implementation: as transformers names them.

    Raises:
        CheckpointError: the folder is incomplete, or its weights are not exactly those of its
            configuration; missing, unexpected and misshapen ones are listed.
        ConfigurationError: the configuration has values that cannot be used.
    """
    config = load_config(folder)
    if not any(Path(folder).glob(WEIGHT_PATTERN)):
        raise CheckpointError(
            f"{folder} has no weights ({WEIGHT_PATTERN}); other formats are not read because"
            " they can run code"
        )
    try:
        with _without_progress_bars():
            loaded: Any = SpatialBotForConditionalGeneration.from_pretrained(
                folder,
                config=config,
                dtype="auto" if dtype is None else dtype,
                attn_implementation=attn_implementation,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (OSError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"cannot read the weights in {folder}: {error}") from error
    model, report = loaded
    problems = [
        f"{len(keys)} {what} ({_listed(keys)})"
        for what in ("missing", "unexpected", "mismatched")
        if (keys := sorted(str(key) for key in report[f"{what}_keys"]))
    ]
    if problems:
        raise CheckpointError(
            f"the weights in {folder} do not fit its {CONFIG_NAME}: {'; '.join(problems)}"
        )
    ready: SpatialBotForConditionalGeneration = model.to(device).eval()
    return ready


def check_action_spec(config: SpatialBotConfig, spec: ActionSpec) -> None:
    """Refuse a robot that gives the model's action bins another meaning.

    Raises:
        CheckpointError: the checkpoint does not say what its bins mean.
        ActionSpecMismatchError: lists the fields that differ.
        ConfigurationError: the stored spec is malformed.
    """
    if config.action_spec is None:
        raise CheckpointError(
            "this checkpoint has no action spec, so the meaning of its actions is unknown and it"
            " may not move a robot; set action_spec in its config.json to the one that it was"
            " trained with"
        )
    ActionSpec.from_mapping(config.action_spec).check_compatible(spec)


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    # a server's log is no place for them
    were_enabled = library_log.is_progress_bar_enabled()
    library_log.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if were_enabled:
            library_log.enable_progress_bar()  # type: ignore[no-untyped-call]


def _listed(keys: list[str]) -> str:
    shown = ", ".join(keys[:_MAX_LISTED])
    return shown if len(keys) <= _MAX_LISTED else f"{shown} and {len(keys) - _MAX_LISTED} more"

"""Checkpoints that `make_policy("local", ...)` and a later training can use."""

import copy
from pathlib import Path

import torch
from torch import nn

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.modeling.checkpoint import save_model
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.training.contracts import SaveModel
from spatialbot_model.training.low_rank import without_low_rank_updates
from spatialbot_model.training.recipe import Recipe


def model_saver(
    processor: SpatialBotProcessor, recipe: Recipe, spec: ActionSpec | None
) -> SaveModel:
    """Writes weights in the recipe's precision, processor, and what the actions mean."""
    dtype = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }[recipe.export_precision]

    def save(model: nn.Module, folder: Path) -> None:
        assert isinstance(model, SpatialBotForConditionalGeneration)
        whole = without_low_rank_updates(model)
        if dtype != torch.float32:
            whole = copy.deepcopy(whole).to(dtype)  # type: ignore[arg-type]  # library
        if spec is not None:
            whole.config.action_spec = spec.to_mapping()
        save_model(whole, folder)
        processor.save_pretrained(folder)

    return save

"""Low-rank updates (LoRA) of the language model, and the weights with them worked in."""

import copy
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.training.recipe import Recipe


def add_low_rank_updates(model: SpatialBotForConditionalGeneration, recipe: Recipe) -> None:
    """Updates beside all linear layers of the language model except its head; trained alone.

    Embedding rows of action tokens, which no published weights know, are trained whole.
    """
    config = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,  # type: ignore[arg-type]  # a factor, used as one
        lora_dropout=recipe.lora_dropout,
        target_modules=_linear_names(model.language_model),
    )
    torch.manual_seed(recipe.seed)
    inject_adapter_in_model(config, model.language_model)
    if model.config.action_form == "tokens":
        model.get_input_embeddings().requires_grad_(True)


def without_low_rank_updates(
    model: SpatialBotForConditionalGeneration,
) -> SpatialBotForConditionalGeneration:
    """A copy with the updates worked into the weights, or the model itself if it has none."""
    if not any(isinstance(module, LoraLayer) for module in model.modules()):
        return model
    merged = copy.deepcopy(model)
    for name, module in list(merged.named_modules()):
        if isinstance(module, LoraLayer):
            layer: Any = module
            layer.merge()
            parent, _, leaf = name.rpartition(".")
            setattr(merged.get_submodule(parent), leaf, layer.get_base_layer())
    for attribute in ("peft_config", "_hf_peft_config_loaded"):
        if attribute in vars(merged.language_model):
            delattr(merged.language_model, attribute)
    return merged


def _linear_names(language_model: Any) -> list[str]:
    head = language_model.get_output_embeddings()
    return [
        name
        for name, module in language_model.named_modules()
        if isinstance(module, nn.Linear) and module is not head
    ]

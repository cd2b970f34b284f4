"""What a checkpoint is made of, read without its weights."""

from pathlib import Path
from typing import Any

import torch

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.inference.checkpoints import check_same_tokens
from spatialbot_model.modeling.checkpoint import load_config
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor


def describe_checkpoint(folder: str | Path) -> dict[str, Any]:
    """Plain values for people and scripts.

    Raises:
        CheckpointError: no checkpoint, or parts that do not fit each other.
        ConfigurationError: values that cannot be used.
    """
    config = load_config(folder)
    processor = SpatialBotProcessor.from_pretrained(folder)
    check_same_tokens(config, processor)
    with torch.device("meta"):
        model = SpatialBotForConditionalGeneration(config)
    parts = {
        name: sum(parameter.numel() for parameter in part.parameters())
        for name, part in model.named_children()
    }
    spec = None if config.action_spec is None else ActionSpec.from_mapping(config.action_spec)
    return {
        "vision_tower": config.vision.model_type,
        "language_model": config.text.model_type,
        "parameters": sum(parts.values()),
        "parameters_by_part": parts,
        "image_size_px": config.image_size,
        "image_mode": processor.image_settings.mode,
        "depth_profile": processor.image_settings.depth_profile,
        "tokens_per_image": config.tokens_per_image(0),
        "tokens_per_older_image": config.tokens_per_image(1),
        "context_length": processor.context_length,
        "template": processor.template,
        "action_form": config.action_form,
        "parallel_actions": config.parallel_actions,
        "depth_tool": processor.depth_tool,
        "action_spec_id": None if spec is None else spec.id,
        "action_spec": None if spec is None else spec.to_mapping(),
    }

"""The vision-language-action model: configuration, towers, projector, presets, checkpoints."""

from spatialbot_model.modeling.checkpoint import (
    check_action_spec,
    load_config,
    load_model,
    save_model,
)
from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.presets import PRESETS, make_config, make_model
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration

__all__ = [
    "PRESETS",
    "SpatialBotConfig",
    "SpatialBotForConditionalGeneration",
    "check_action_spec",
    "load_config",
    "load_model",
    "make_config",
    "make_model",
    "save_model",
]

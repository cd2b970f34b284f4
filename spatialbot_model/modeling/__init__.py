"""The vision-language-action model: configuration, towers, projector, presets, checkpoints."""

from spatialbot_model.modeling.config import SpatialBotConfig
from spatialbot_model.modeling.presets import PRESETS, make_config
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration

__all__ = ["PRESETS", "SpatialBotConfig", "SpatialBotForConditionalGeneration", "make_config"]

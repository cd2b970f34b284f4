"""Which weights a recipe trains."""

import torch

from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.training.low_rank import add_low_rank_updates
from spatialbot_model.training.optimizer import PROJECTOR_PREFIX
from spatialbot_model.training.recipe import Recipe

VISION_PREFIX = "vision_tower."


def choose_trained_weights(model: SpatialBotForConditionalGeneration, recipe: Recipe) -> None:
    """Set `requires_grad` as the recipe says; low-rank updates are added to the model.

    Everything is float32 afterwards.
    """
    model.to(torch.float32)  # type: ignore[arg-type]  # the library types its wrapper wrongly
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(
            recipe.trained == "all"
            or (recipe.trained == "all-but-vision" and not name.startswith(VISION_PREFIX))
            or (recipe.trained in ("projector", "lora") and name.startswith(PROJECTOR_PREFIX))
        )
    if recipe.trained == "lora":
        add_low_rank_updates(model, recipe)

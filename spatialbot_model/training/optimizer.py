"""AdamW with parameter groups: decay for matrices only, a rate of its own for the projector."""

from collections.abc import Mapping

import torch
from torch import nn

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.training.recipe import Recipe
from spatialbot_model.training.schedule import learning_rate_factor

PROJECTOR_PREFIX = "projector."


def make_optimizer(parameters: Mapping[str, nn.Parameter], recipe: Recipe) -> torch.optim.AdamW:
    """The optimizer of trained weights by name.

    Raises:
        ConfigurationError: nothing is trained.
    """
    if not parameters:
        raise ConfigurationError(f"recipe {recipe.name} trains no weight of this model")
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        rate = recipe.learning_rate
        if name.startswith(PROJECTOR_PREFIX) and recipe.projector_learning_rate is not None:
            rate = recipe.projector_learning_rate
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "lr": rate, "largest_lr": rate, "weight_decay": decay}
            for (rate, decay), members in groups.items()
        ],
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, recipe: Recipe) -> float:
    """Set the rates of a step, counted from 0; returns the first group's."""
    factor = learning_rate_factor(step, recipe.steps, recipe.warmup, recipe.final_learning_rate)
    for group in optimizer.param_groups:
        group["lr"] = group["largest_lr"] * factor
    return float(optimizer.param_groups[0]["lr"])

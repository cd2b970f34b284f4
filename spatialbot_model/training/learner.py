"""Model and objective as one module, the one that is distributed."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from spatialbot_model.training.contracts import Objective


class Learner(nn.Module):
    """Its forward pass is the loss.

    Gradients are exchanged between processes for whatever runs inside the forward pass, and
    numbers are cast there; objectives call other methods of the model than its own forward.
    """

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and named metrics of a batch."""
        loss, metrics = self.objective(self.model, batch)
        return loss, {name: value.detach() for name, value in metrics.items()}


def parameter_names(learner: nn.Module) -> dict[str, nn.Parameter]:
    """Trained weights by the model's own names, however the learner was wrapped."""
    return {
        plain_name(name): parameter
        for name, parameter in learner.named_parameters()
        if parameter.requires_grad
    }


def buffer_names(learner: nn.Module) -> dict[str, Any]:
    """Buffers that checkpoints hold, by the model's own names."""
    kept = {plain_name(name) for name in learner.state_dict(keep_vars=True)}
    return {
        plain_name(name): buffer
        for name, buffer in learner.named_buffers()
        if plain_name(name) in kept
    }


def plain_name(name: str) -> str:
    """A name without what distribution and `Learner` put in front of its parts."""
    wrappers = ("module", "_fsdp_wrapped_module", "_orig_mod")
    parts = [part for part in name.split(".") if part not in wrappers]
    return ".".join(parts[1:] if parts and parts[0] == "model" else parts)

"""Cross entropy of answers, and how far the actions among them are from the right bins."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS
from spatialbot_model.modeling.aligned_loss import (
    IGNORED_TARGET,
    aligned_loss,
    supervised_positions,
)
from spatialbot_model.training.contracts import BIN_ERROR_PREFIX

_INPUTS = ("input_ids", "attention_mask", "pixel_values", "image_roles", "image_ages")


class ConversationObjective:
    """Loss of a batch of `ConversationData`; implements `training.contracts.Objective`."""

    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross entropy of supervised tokens; `accuracy` and bin errors as metrics."""
        targets = batch["targets"]
        # the head is the larger part of a small model: only where something is learned
        kept = supervised_positions(targets)
        inputs = {name: batch[name] for name in _INPUTS if name in batch}
        if model.config.robot_state and "pixel_values" in batch:
            inputs["robot_state"] = batch["robot_state"]
        logits = model(**inputs, use_cache=False, logits_to_keep=kept).logits
        targets = targets[:, kept]
        loss = aligned_loss(logits, targets)
        with torch.no_grad():
            learned = targets != IGNORED_TARGET
            right = (logits.argmax(-1) == targets) & learned
            metrics = {"accuracy": right.sum() / learned.sum().clamp(min=1)}
            if model.config.action_form == "tokens":
                metrics |= _bin_errors(logits, targets, int(model.config.first_action_token_id))
        return loss, metrics


def _bin_errors(logits: Tensor, targets: Tensor, first: int) -> dict[str, Tensor]:
    """Mean error of each dimension, by the order of action tokens in a row; none without."""
    bins = targets - first
    is_action = (bins >= 0) & (bins < NUM_BINS)
    if not bool(is_action.any()):
        return {}
    guess = logits[..., first : first + NUM_BINS].argmax(-1)
    error = (guess - bins).abs().float()
    order = (is_action.cumsum(-1) - 1) % len(ACTION_NAMES)
    return {
        BIN_ERROR_PREFIX + name: error[is_action & (order == k)].mean()
        for k, name in enumerate(ACTION_NAMES)
    }

"""What a model with parallel actions is to learn at a control step.

Seven distributions over 101 bins; where it has waypoint queries also where the thing will be
grasped and released, asked of the middle layer too, so that the layers behind it act on places
rather than on pixels; and whether anything is left to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS
from spatialbot_model.contracts.waypoints import AXES
from spatialbot_model.modeling.aligned_loss import IGNORED_TARGET
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration

NUM_ACTIONS = len(ACTION_NAMES)


@dataclass(frozen=True, slots=True)
class ActionObjectiveOptions:
    """Weights of the parts.

    Attributes:
        sigma_bins: width of the soft targets of motion; neighbours of a bin are nearly right.
        gripper_sigma_bins: the same of the gripper, which is one of two bins.
        waypoint_sigma_bins: the same of waypoints.
        action_weight: of the seven's mean; 0 = places only, for a first stage.
        gripper_weight: of the gripper's loss beside a motion's.
        waypoint_weight: of the last layer's waypoints, beside the actions.
        middle_weight: of the middle layer's waypoints.
        text_weight: of the words.
    """

    sigma_bins: float = 1.5
    gripper_sigma_bins: float = 0.3
    waypoint_sigma_bins: float = 1.0
    action_weight: float = 1.0
    gripper_weight: float = 2.0
    waypoint_weight: float = 1.0
    middle_weight: float = 0.5
    text_weight: float = 0.2


class ActionObjective:
    """Loss and metrics of a batch of `ActionData`; implements `training.contracts.Objective`."""

    def __init__(self, options: ActionObjectiveOptions | None = None) -> None:
        self._options = options or ActionObjectiveOptions()

    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and means over the batch: losses, `bin_error/dx` .. and waypoint errors [bins].

        Args:
            model: a `SpatialBotForConditionalGeneration`, or something that wraps one as
                ``.module``.
        """
        options = self._options
        bare: SpatialBotForConditionalGeneration = getattr(model, "module", model)
        config = bare.config
        hidden, text = self.hidden_states(bare, batch)
        last, middle = hidden[-1], hidden[len(hidden) // 2]
        acts = batch["action_bins"][:, 0] >= 0
        queries = batch["input_ids"][:, text] == config.action_query_token_id
        first = config.first_action_token_id
        assert first is not None
        head: Any = bare.get_output_embeddings()
        metrics: dict[str, Tensor] = {}
        losses: list[Tensor] = []

        targets = batch["targets"][:, text]
        spoken = (targets != IGNORED_TARGET) & ~queries
        text_loss = F.cross_entropy(head(last[spoken]).float(), targets[spoken])
        metrics["loss_text"] = text_loss.detach()
        losses.append(options.text_weight * text_loss)

        num_queries = config.waypoint_queries + NUM_ACTIONS
        # rows of one width: every action has the same number of queries
        asked = last[queries].reshape(-1, num_queries, last.shape[-1])
        bins = batch["action_bins"][acts]
        state = batch["robot_state"].repeat_interleave(batch["rows_per_picture"], dim=0)[acts]
        reader = bare.action_queries
        states = asked if reader is None else reader.action_states(asked, state)
        logits = F.linear(states, head.weight[first : first + NUM_BINS])
        sigma = asked.new_full((NUM_ACTIONS,), options.sigma_bins, dtype=torch.float32)
        sigma[-1] = options.gripper_sigma_bins
        # a small batch may hold questions and ends only
        by_dimension = soft_cross_entropy(logits.float(), bins.float(), sigma).sum(0)
        by_dimension = by_dimension / max(1, len(bins))
        weights = torch.ones_like(by_dimension)
        weights[-1] = options.gripper_weight
        action_loss = (by_dimension * weights).sum() / weights.sum()
        metrics["loss_action"] = action_loss.detach()
        losses.append(options.action_weight * action_loss)
        if len(bins):
            error = (logits.detach().argmax(-1) - bins).abs().float().mean(0)
            for name, value in zip(ACTION_NAMES, error, strict=True):
                metrics[f"bin_error/{name}"] = value

        if reader is not None:
            known = batch["waypoint_known"][acts]
            points = batch["waypoint_bins"][acts]
            for name, states, weight in (
                ("waypoint", last, options.waypoint_weight),
                ("waypoint_middle", middle, options.middle_weight),
            ):
                at = states[queries].reshape(-1, num_queries, states.shape[-1])
                guess = reader.waypoint_logits(at)
                each = soft_cross_entropy(
                    guess, points, guess.new_full((len(AXES),), options.waypoint_sigma_bins)
                )
                count = known.sum().clamp(min=1)
                loss = (each.mean(-1) * known).sum() / count
                metrics[f"loss_{name}"] = loss.detach()
                losses.append(weight * loss)
                off = (expected_bins(guess.detach()) - points).abs() * known[..., None]
                for number, place in enumerate(("pick", "place")):
                    for axis, label in enumerate("xyz"):
                        metrics[f"{name}_{place}_{label}"] = off[:, number, axis].sum() / known[
                            :, number
                        ].sum().clamp(min=1)
        return torch.stack(losses).sum(), metrics

    def hidden_states(
        self, model: SpatialBotForConditionalGeneration, batch: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, ...], slice]:
        """Of all layers behind the pictures, embeddings first, the last one normalised.

        Every picture is read once, whatever the number of texts about it: nothing in front of
        the last image token depends on what is asked.

        Returns:
            (R, S, D) each, and the columns of `input_ids` that the S positions are.
        """
        ids, mask = batch["input_ids"], batch["attention_mask"]
        text = slice(_end_of_pictures(ids, model.config.image_token_id), None)
        picture_of = torch.repeat_interleave(batch["rows_per_picture"])
        first_row = batch["rows_per_picture"].cumsum(0) - batch["rows_per_picture"]
        decoder: Any = model.language_model.get_decoder()
        shown = model.merge(ids[first_row, : text.start], self._picture_tokens(model, batch))
        cache = decoder(inputs_embeds=shown, use_cache=True).past_key_values
        cache.batch_select_indices(picture_of)
        output = decoder(
            inputs_embeds=model.embed_ids(ids[:, text]),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            output_hidden_states=True,
        )
        hidden: tuple[Tensor, ...] = output.hidden_states
        return hidden, text

    def _picture_tokens(
        self, model: SpatialBotForConditionalGeneration, batch: Mapping[str, Tensor]
    ) -> Tensor:
        """(sum of image tokens, D) of the pictures."""
        dtype = model.projector.linear_1.weight.dtype
        newest = _joined(batch["newest"].to(dtype), model.config.join_depth)
        older = batch["older"].to(dtype).flatten(0, 1)[:, :, None]
        older = _joined(older, model.config.join_depth)
        rows, history = len(newest), batch["older"].shape[1]
        tokens = [model.projector.project(newest)]
        aged = model.projector.project(older)
        if model.image_embedding is not None:
            tokens[0] = model.image_embedding(tokens[0], [0] * rows, [0] * rows)
            ages = [1 + k % history for k in range(rows * history)]
            aged = model.image_embedding(aged, [0] * len(ages), ages)
        if model.state_embedding is not None:
            tokens.append(model.state_token(batch["robot_state"])[:, None])
        tokens.append(aged.reshape(rows, -1, aged.shape[-1]))
        return torch.cat([part.to(tokens[0].dtype) for part in tokens], dim=1).flatten(0, 1)


def _end_of_pictures(input_ids: Tensor, image_token_id: int) -> int:
    """First column behind the image tokens, which stand in the same columns of all rows."""
    is_image = (input_ids == image_token_id).any(dim=0)
    return int(is_image.nonzero().max()) + 1


def soft_cross_entropy(logits: Tensor, bins: Tensor, sigma_bins: Tensor) -> Tensor:
    """Against a Gaussian around real-valued bins.

    Args:
        logits: (.., K, 101).
        bins: (.., K).
        sigma_bins: (K,).

    Returns:
        (.., K).
    """
    places = torch.arange(logits.shape[-1], device=logits.device, dtype=torch.float32)
    scores = -0.5 * ((places - bins[..., None]) / sigma_bins[:, None]) ** 2
    return -(scores.softmax(-1) * logits.log_softmax(-1)).sum(-1)


def expected_bins(logits: Tensor) -> Tensor:
    """Mean of the distributions (.., 101), in bins."""
    places = torch.arange(logits.shape[-1], device=logits.device, dtype=torch.float32)
    return (logits.softmax(-1) * places).sum(-1)


def _joined(features: Tensor, with_depth: bool) -> Tensor:
    """(N, 2, P, C) to (N, P, 2 C), or the colour's (N, P, C)."""
    return torch.cat((features[:, 0], features[:, 1]), dim=-1) if with_depth else features[:, 0]

"""The plain way: Hugging Face `generate`, every frame encoded again at every step.

What the engine is compared with. Under the same constraint both give the same tokens; with the
action written out as text it is what a straightforward port of the release does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import BatchFeature

from spatialbot_model.contracts.conversation import render_reply
from spatialbot_model.contracts.types import IMAGE_ROLES, ImageRole, Observation, PromptImage
from spatialbot_model.inference.constraints import Constraint, ReplyConstraint
from spatialbot_model.modeling.spatialbot import SpatialBotForConditionalGeneration
from spatialbot_model.processing.processor import SpatialBotProcessor

_EXAMPLE_TEXT = "The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>."


@dataclass(frozen=True, slots=True)
class NaiveAnswer:
    """What `generate` gave.

    Attributes:
        reply_ids: with the end token.
        text: as the model wrote it; action tokens read ``<act_050>``.
        bins: (7,) of an action in tokens, else None.
    """

    reply_ids: tuple[int, ...]
    text: str
    bins: tuple[int, ...] | None


def naive_act(
    model: SpatialBotForConditionalGeneration,
    processor: SpatialBotProcessor,
    observation: Observation,
    constraint: Constraint,
    *,
    roles: tuple[ImageRole, ...] = IMAGE_ROLES,
    max_new_tokens: int = 96,
) -> NaiveAnswer:
    """Answer one control step with Hugging Face's greedy `generate`.

    Args:
        constraint: of the answer: `ReplyConstraint` for action tokens, `SpokenActionConstraint`
            for an action in text form.
        roles: images of a frame that are shown.
    """
    inputs = _prompt_inputs(model, processor, observation, roles)
    num_prompt = inputs["input_ids"].shape[1]
    with torch.inference_mode():
        output = _generate(
            model,
            **inputs,
            do_sample=False,
            max_new_tokens=max_new_tokens,
            eos_token_id=processor.layout.end,
            pad_token_id=processor.layout.end,
            prefix_allowed_tokens_fn=allowed_tokens(constraint, num_prompt, processor.layout.end),
        )
    reply = tuple(output[0, num_prompt:].tolist())
    bins = constraint.action_bins(reply) if isinstance(constraint, ReplyConstraint) else None
    return NaiveAnswer(reply, processor.decode(reply), bins)


def allowed_tokens(
    constraint: Constraint, num_prompt: int, end: int
) -> Callable[[int, torch.Tensor], list[int]]:
    """A constraint as `prefix_allowed_tokens_fn` of `generate`.

    Args:
        num_prompt: tokens before the answer.
        end: what may follow a complete answer.
    """

    def allowed(batch: int, ids: torch.Tensor) -> list[int]:
        return list(constraint.allowed(ids[num_prompt:].tolist())) or [end]

    return allowed


def naive_text_act(
    model: SpatialBotForConditionalGeneration,
    processor: SpatialBotProcessor,
    observation: Observation,
    *,
    roles: tuple[ImageRole, ...] = IMAGE_ROLES,
) -> tuple[int, ...]:
    """As many tokens as an action in text form has, unconstrained: what plain `generate` costs.

    Untrained weights write no sentence; only the number of tokens is that of one.
    """
    inputs = _prompt_inputs(model, processor, observation, roles)
    num_tokens = len(render_reply(_EXAMPLE_TEXT, processor.encoder, processor.layout))
    with torch.inference_mode():
        output = _generate(
            model,
            **inputs,
            do_sample=False,
            min_new_tokens=num_tokens,
            max_new_tokens=num_tokens,
            eos_token_id=processor.layout.end,
            pad_token_id=processor.layout.end,
        )
    return tuple(output[0, inputs["input_ids"].shape[1] :].tolist())


def _generate(model: Any, **arguments: Any) -> Any:
    # untyped: the library types `self` of `generate` by a protocol of its own
    return model.generate(**arguments)


def _prompt_inputs(
    model: SpatialBotForConditionalGeneration,
    processor: SpatialBotProcessor,
    observation: Observation,
    roles: tuple[ImageRole, ...],
) -> BatchFeature:
    """Tensors of one control step on the model's device, all images preprocessed anew."""
    images = [
        PromptImage(role, frame.color if role == "rgb" else frame.depth_mm, age)
        for age, frame in enumerate(observation.frames)
        for role in roles
    ]
    conversation = processor.action_conversation(
        observation.instruction, tuple(image.role for image in images)
    )
    inputs = processor(images, conversation).to(model.device)
    inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    if processor.robot_state and observation.robot is not None:
        state = torch.from_numpy(observation.robot.vector())[None]
        inputs["robot_state"] = state.to(model.device)
    return inputs

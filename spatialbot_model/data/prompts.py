"""Samples -> images and conversation, exactly as the robot asks the model."""

from collections.abc import Sequence

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    Finished,
    format_action_text,
    format_action_tokens,
)
from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.types import IMAGE_ROLES, ImageRole, PromptImage, RgbdFrame
from spatialbot_model.data.samples import Sample
from spatialbot_model.processing.processor import ActionForm, SpatialBotProcessor


def sample_images(
    frames: Sequence[RgbdFrame], roles: Sequence[ImageRole] = IMAGE_ROLES
) -> tuple[PromptImage, ...]:
    """Images in the order of the prompt: colour t, depth t, colour t-1, depth t-1, ..

    Args:
        frames: newest first.
        roles: images of each frame; ``("rgb",)`` for a model without depth.
    """
    return tuple(
        PromptImage(role, frame.color if role == "rgb" else frame.depth_mm, age)
        for age, frame in enumerate(frames)
        for role in roles
    )


def answer_text(answer: DeltaAction | Finished, action_form: ActionForm) -> str:
    """The answer as a model of this action form is to write it."""
    if isinstance(answer, Finished):
        return FINISHED_TEXT
    return format_action_tokens(answer) if action_form == "tokens" else format_action_text(answer)


def sample_prompt(
    sample: Sample, processor: SpatialBotProcessor, roles: Sequence[ImageRole] = IMAGE_ROLES
) -> tuple[tuple[PromptImage, ...], Conversation]:
    """What `processor(images, conversation, for_generation=False)` makes a training row of.

    Its ids begin with those that the model is asked with at this step on the robot.

    Raises:
        ConfigurationError: more than eight images.
    """
    images = sample_images(sample.frames, roles)
    asked = processor.action_conversation(sample.instruction, [image.role for image in images])
    answer = Message("assistant", answer_text(sample.answer, processor.action_form))
    return images, Conversation((*asked.messages, answer), asked.image_roles)

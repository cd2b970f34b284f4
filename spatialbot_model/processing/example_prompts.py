"""Conversations to look at: one control step, or a question with its depth query."""

from collections.abc import Sequence

from spatialbot_model.contracts.action_codec import (
    DeltaAction,
    format_action_text,
    format_action_tokens,
)
from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.depth_tool import format_answers, format_call
from spatialbot_model.contracts.prompt_templates import image_user_text
from spatialbot_model.contracts.types import DepthAnswer, ImageRole
from spatialbot_model.processing.processor import ActionForm, SpatialBotProcessor

EXAMPLE_ACTION = DeltaAction((17, 51, 44, 62, 83, 7, 100))
"""The action of the paper's figure, with a closed gripper."""

_POINT = (0.51, 0.40)
_DEPTH_MM = 584


def action_example(
    processor: SpatialBotProcessor, instruction: str, num_frames: int, roles: Sequence[ImageRole]
) -> tuple[Conversation, tuple[int, ...]]:
    """A control step with its answer, and the ages of its images.

    Raises:
        ConfigurationError: an empty instruction or more than eight images.
    """
    asked = processor.action_conversation(instruction, tuple(roles) * num_frames)
    answer = Message("assistant", example_action_text(processor.action_form))
    ages = tuple(age for age in range(num_frames) for _ in roles)
    return Conversation((*asked.messages, answer), asked.image_roles), ages


def question_example(
    question: str, num_frames: int, roles: Sequence[ImageRole]
) -> tuple[Conversation, tuple[int, ...]]:
    """A question that is answered with one depth query, and the ages of its images.

    Raises:
        ConfigurationError: more than eight images.
    """
    image_roles = tuple(roles) * num_frames
    call = format_call(*_POINT)
    messages = (
        Message("user", image_user_text(question, len(image_roles))),
        Message("assistant", f"The depth value of point({call[6:-1]}) is {call}."),
        Message("tool", format_answers([DepthAnswer(*_POINT, _DEPTH_MM)])),
        Message("assistant", f"It is {_DEPTH_MM} mm away."),
    )
    ages = tuple(age for age in range(num_frames) for _ in roles)
    return Conversation(messages, image_roles), ages


def example_action_text(action_form: ActionForm) -> str:
    """`EXAMPLE_ACTION` as a model of this action form writes it."""
    if action_form == "tokens":
        return format_action_tokens(EXAMPLE_ACTION)
    return format_action_text(EXAMPLE_ACTION)

"""Conversations -> token ids + mask of what is learned; the one renderer of training and robot.

A conversation for training starts with exactly the ids that the same conversation without
its last answer has for generation. What users and tools say is encoded as plain text only, so
that nobody can write a special token or an action into a prompt.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import NUM_BINS
from spatialbot_model.contracts.errors import ConfigurationError, ContextLengthError
from spatialbot_model.contracts.prompt_templates import MAX_IMAGES, PromptTemplate
from spatialbot_model.contracts.reply_tokens import (
    TextEncoder,
    TokenLayout,
    decode_reply,
    render_reply,
)
from spatialbot_model.contracts.types import ImageRole

__all__ = [
    "IGNORE_INDEX",
    "Conversation",
    "Message",
    "RenderedPrompt",
    "TextEncoder",
    "TokenLayout",
    "causal_targets",
    "decode_reply",
    "parallel_inputs",
    "render_conversation",
    "render_reply",
]

IGNORE_INDEX = -100
"""A target that is not learned, as torch's cross entropy has it."""

_PLACEHOLDER = re.compile(r"<image(?: ([0-9]+))?>")
_PLACEHOLDER_LINE = re.compile(r"(<image(?: [0-9]+)?>)\n")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Only answers of the assistant may hold action tokens ``<act_050>``."""

    role: Literal["user", "assistant", "tool"]
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns and the images that they speak of.

    Attributes:
        messages: a user's message and answers by turns, with tool turns in place of the user's
            after the first.
        image_roles: of the images that the users' messages name ``<image 1>`` .. ``<image 8>``
            (or ``<image>`` each) in reading order.
    """

    messages: tuple[Message, ...]
    image_roles: tuple[ImageRole, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPrompt:
    """A conversation as the model reads it.

    Attributes:
        ids: (T,) int64.
        supervised: (T,) bool, whether ids[t] is learned: answers and their end tokens.
    """

    ids: NDArray[np.int64]
    supervised: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


def render_conversation(
    conversation: Conversation,
    template: PromptTemplate,
    encoder: TextEncoder,
    layout: TokenLayout,
    tokens_per_image: Sequence[int],
    *,
    context_length: int,
    for_generation: bool = False,
) -> RenderedPrompt:
    """Render a conversation.

    Args:
        tokens_per_image: how often `layout.image` stands for each image.
        context_length: most tokens that the model can read.
        for_generation: the last message is a user's or a tool's, and the ids end where the
            answer begins; otherwise the last message is an answer.

    Raises:
        ConfigurationError: turns out of order, placeholders that do not name the images once
            each in order, more than eight images, or action tokens that cannot be rendered.
        ContextLengthError: longer than `context_length`; tells both counts.
    """
    _check_turns(conversation, for_generation)
    if len(conversation.image_roles) != len(tokens_per_image):
        raise ConfigurationError(
            f"the conversation declares {len(conversation.image_roles)} images and"
            f" {len(tokens_per_image)} were given; declare one role per image"
        )
    ids: list[int] = []
    spans: list[tuple[int, int]] = []
    text = template.system
    num_images = 0
    for message in conversation.messages:
        if message.role == "assistant":
            ids += encoder.encode(text + template.assistant_prefix)
            text = ""
            start = len(ids)
            ids += render_reply(message.text, encoder, layout)
            spans.append((start, len(ids)))
            continue
        text += template.user_prefix
        if message.role == "user":
            written = message.text
            if not template.newline_after_image:
                written = _PLACEHOLDER_LINE.sub(r"\1", written)
            # split() gives text, number, text, number, .., text
            parts = _PLACEHOLDER.split(written)
            for number, after in zip(parts[1::2], parts[2::2], strict=True):
                num_images += 1
                _check_placeholder(number, num_images, len(tokens_per_image))
                ids += encoder.encode(text + parts[0])
                ids += [layout.image] * tokens_per_image[num_images - 1]
                text, parts[0] = "", after
            text += parts[0]
        else:
            text += message.text
        text += template.user_suffix
    if for_generation:
        ids += encoder.encode(text + template.assistant_prefix)
    if num_images != len(tokens_per_image):
        raise ConfigurationError(
            f"the users' messages name {num_images} images and {len(tokens_per_image)} were given;"
            " name each once, <image 1> .. <image 8>"
        )
    if len(ids) > context_length:
        raise ContextLengthError(
            f"the prompt has {len(ids)} tokens, {sum(tokens_per_image)} of them for"
            f" {num_images} images; the model's context is {context_length}. Shorten the text,"
            " show fewer images, or use a model with fewer tokens an image"
        )
    supervised = np.zeros(len(ids), np.bool_)
    for start, end in spans:
        supervised[start:end] = True
    return RenderedPrompt(np.array(ids, np.int64), supervised)


def causal_targets(rendered: RenderedPrompt) -> NDArray[np.int64]:
    """(T,) int64: at each position the learned id that follows it, else `IGNORE_INDEX`."""
    targets = np.full(len(rendered), IGNORE_INDEX, np.int64)
    learned = rendered.supervised[1:]
    targets[:-1][learned] = rendered.ids[1:][learned]
    return targets


def parallel_inputs(
    rendered: RenderedPrompt, layout: TokenLayout, num_waypoint_queries: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs and targets for decoding all numbers of an action in one pass.

    In the inputs each action token is replaced by `layout.action_query`, and is the target at
    its own place. All other targets are those of `causal_targets`, but nothing is learned of
    an answer from the token before the run on, because nothing else is decoded then.

    Args:
        num_waypoint_queries: as many queries more stand before those of each action; nothing
            is learned at them here.

    Returns:
        input_ids (T',) int64 and targets (T',) int64, `IGNORE_INDEX` where nothing is learned.

    Raises:
        ConfigurationError: the layout has no action tokens or no query token.
    """
    if layout.first_action is None or layout.action_query is None:
        raise ConfigurationError(
            "parallel decoding needs action tokens and an action query token; this model has"
            f" first_action={layout.first_action}, action_query={layout.action_query}"
        )
    ids, targets = rendered.ids.copy(), causal_targets(rendered)
    bins = ids - layout.first_action
    # only answers hold action tokens
    is_action = (bins >= 0) & (bins < NUM_BINS)
    closed = False
    for t in range(len(ids)):
        if is_action[t]:
            closed = True
            targets[t] = ids[t]
            if t > 0 and not is_action[t - 1]:
                targets[t - 1] = IGNORE_INDEX
        elif not rendered.supervised[t]:
            closed = False
        elif closed:
            targets[t] = IGNORE_INDEX
    ids[is_action] = layout.action_query
    if num_waypoint_queries:
        begins = np.flatnonzero(is_action & ~np.concatenate(([False], is_action[:-1])))
        at = np.repeat(begins, num_waypoint_queries)
        ids = np.insert(ids, at, layout.action_query)
        targets = np.insert(targets, at, IGNORE_INDEX)
    return ids, targets


def _check_turns(conversation: Conversation, for_generation: bool) -> None:
    roles = [message.role for message in conversation.messages]
    wanted = ("tool", "user") if for_generation else ("assistant",)
    in_order = all(
        (role == "assistant") == bool(index % 2) and role in ("user", "assistant", "tool")
        for index, role in enumerate(roles)
    )
    if not roles or roles[0] != "user" or not in_order or roles[-1] not in wanted:
        raise ConfigurationError(
            f"the turns are {roles}; expected a user's message and answers by turns, ending with"
            f" {' or '.join(wanted)} {'to generate from' if for_generation else 'to learn from'}"
        )


def _check_placeholder(number: str | None, position: int, num_images: int) -> None:
    if position > MAX_IMAGES:
        raise ConfigurationError(f"a conversation names more than {MAX_IMAGES} images")
    if position > num_images or number not in (None, str(position)):
        written = "<image>" if number is None else f"<image {number[:20]}>"
        raise ConfigurationError(
            f"image placeholder {position} in reading order is {written} and {num_images} images"
            " were given; name each image once and in order, <image 1>, <image 2>, ..."
        )

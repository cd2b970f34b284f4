"""A rendered prompt for people: its tokens coloured by what training does with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.text import Text

from spatialbot_model.contracts.conversation import Conversation, RenderedPrompt
from spatialbot_model.contracts.types import ImageRole
from spatialbot_model.processing.processor import SpatialBotProcessor

TokenKind = Literal["image", "masked", "supervised"]

# two shades by turns, so that the border of two tokens can be seen
_STYLES: dict[TokenKind, tuple[str, str]] = {
    "image": ("black on plum2", "black on plum2"),
    "masked": ("grey78 on grey19", "grey78 on grey30"),
    "supervised": ("black on pale_green3", "black on dark_sea_green4"),
}
_MEANING: dict[TokenKind, str] = {
    "image": "image tokens (masked)",
    "masked": "read, not learned",
    "supervised": "learned",
}


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token, or several where only together they are text or one image.

    Attributes:
        kind: what training does with it.
        ids: one id, those of one character split over tokens, or all of one image.
        text: what they read; ``<image 1: rgb, 100 tokens>`` for an image.
    """

    kind: TokenKind
    ids: tuple[int, ...]
    text: str


def describe_prompt(
    processor: SpatialBotProcessor,
    conversation: Conversation,
    ages: Sequence[int] = (),
    *,
    for_generation: bool = False,
) -> tuple[ShownToken, ...]:
    """The tokens of a conversation in order.

    Args:
        ages: (N,) of the images in control steps before the newest frame; all 0 when empty.

    Raises:
        ConfigurationError, ContextLengthError: it cannot be rendered.
    """
    ages = ages or [0] * len(conversation.image_roles)
    rendered = processor.render(conversation, ages, for_generation=for_generation)
    sizes = processor.image_token_counts(conversation.image_roles, ages)
    images = [
        (role, size) for role, size in zip(conversation.image_roles, sizes, strict=True) if size
    ]
    return tuple(_tokens(rendered, processor, images))


def prompt_text(tokens: Sequence[ShownToken]) -> Text:
    """The prompt in colours with a legend and counts below."""
    text = Text()
    for index, token in enumerate(tokens):
        text.append(_visible(token.text), _STYLES[token.kind][index % 2])
    text.append("\n\n")
    for kind, count in count_tokens(tokens).items():
        text.append(" ")
        text.append(f" {count} {_MEANING[kind]} ", _STYLES[kind][0])
    text.append(f"  {sum(len(token.ids) for token in tokens)} tokens")
    return text


def prompt_json(tokens: Sequence[ShownToken]) -> dict[str, Any]:
    """The same as plain values: counts by kind, and every token's kind, text and ids.

    Of an image only the first id is listed, next to how often it stands.
    """
    return {
        "num_tokens": sum(len(token.ids) for token in tokens),
        "counts": count_tokens(tokens),
        "tokens": [
            {
                "kind": token.kind,
                "text": token.text,
                "ids": list(token.ids[:1] if token.kind == "image" else token.ids),
                "num_tokens": len(token.ids),
            }
            for token in tokens
        ],
    }


def count_tokens(tokens: Sequence[ShownToken]) -> dict[TokenKind, int]:
    """How many token ids there are of each kind."""
    counts: dict[TokenKind, int] = dict.fromkeys(_STYLES, 0)
    for token in tokens:
        counts[token.kind] += len(token.ids)
    return counts


def _tokens(
    rendered: RenderedPrompt,
    processor: SpatialBotProcessor,
    images: Sequence[tuple[ImageRole, int]],
) -> Iterator[ShownToken]:
    layout, ids = processor.layout, rendered.ids.tolist()
    num_images = start = 0
    while start < len(ids):
        end = start + 1
        kind: TokenKind = "supervised" if rendered.supervised[start] else "masked"
        if ids[start] == layout.image:
            role, size = images[num_images]
            num_images += 1
            end = start + size
            kind, text = "image", f"<image {num_images}: {role}, {size} tokens>"
        elif ids[start] == layout.end or layout.action_bin(ids[start]) is not None:
            text = str(processor.tokenizer.convert_ids_to_tokens(ids[start]))
        else:
            text = processor.encoder.decode(ids[start:end])
            # a character of several bytes may be split over tokens
            while "\N{REPLACEMENT CHARACTER}" in text and end < min(len(ids), start + 8):
                end += 1
                text = processor.encoder.decode(ids[start:end])
        yield ShownToken(kind, tuple(ids[start:end]), text)
        start = end


def _visible(text: str) -> str:
    return text.replace("\n", "⏎\n")

"""Prompts shown to people: every token once, in the colour of its mask."""

import pytest

from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.processing.images import ImageSettings
from spatialbot_model.processing.processor import SpatialBotProcessor
from spatialbot_model.processing.show_prompt import describe_prompt, prompt_json, prompt_text
from spatialbot_model.processing.tokens import load_mini_tokenizer

PROCESSOR = SpatialBotProcessor(
    load_mini_tokenizer(), ImageSettings(16), 4, 500, history_tokens_per_image=1
)
CONVERSATION = Conversation(
    (
        Message("user", "<image 1>\n<image 2>\nWhere is 日?"),
        Message("assistant", "The robot should <act_050><act_100>."),
        Message("tool", "API"),
        Message("assistant", "Yes."),
    ),
    ("rgb", "depth"),
)


def test_tokens_are_named_once_with_their_kind() -> None:
    shown = describe_prompt(PROCESSOR, CONVERSATION, [0, 1])
    ids = [token_id for token in shown for token_id in token.ids]
    rendered = PROCESSOR.render(CONVERSATION, [0, 1], for_generation=False)
    assert ids == rendered.ids.tolist()
    kinds = [token.kind == "supervised" for token in shown for _ in token.ids]
    assert kinds == rendered.supervised.tolist()
    images = [token.text for token in shown if token.kind == "image"]
    assert images == ["<image 1: rgb, 4 tokens>", "<image 2: depth, 1 tokens>"]
    learned = "".join(token.text for token in shown if token.kind == "supervised")
    assert learned == " The robot should<act_050><act_100>.<|endoftext|> Yes.<|endoftext|>"
    masked = "".join(token.text for token in shown if token.kind == "masked")
    assert masked == "USER: Where is 日? ASSISTANT:USER: API ASSISTANT:"


def test_the_picture_shows_the_whole_prompt_and_a_legend() -> None:
    shown = describe_prompt(PROCESSOR, CONVERSATION)
    text = prompt_text(shown)
    prompt, legend = text.plain.split("\n\n")
    assert prompt.startswith("USER: <image 1: rgb, 4 tokens><image 2: depth, 4 tokens>Where is 日?")
    assert (
        "8 image tokens (masked)" in legend
        and f"{prompt_json(shown)['num_tokens']} tokens" in legend
    )
    styles = {text.plain[span.start : span.end]: span.style for span in text.spans}
    assert styles[" Yes"] != styles["API"] != styles["<image 1: rgb, 4 tokens>"]


def test_newlines_are_seen() -> None:
    asked = Conversation((Message("user", "a\nb"),))
    shown = describe_prompt(PROCESSOR, asked, for_generation=True)
    assert "a⏎\nb" in prompt_text(shown).plain


def test_plain_values_hold_counts_and_tokens() -> None:
    described = prompt_json(describe_prompt(PROCESSOR, CONVERSATION))
    assert described["counts"]["image"] == 8
    assert sum(described["counts"].values()) == described["num_tokens"]
    assert sum(token["num_tokens"] for token in described["tokens"]) == described["num_tokens"]
    image = next(token for token in described["tokens"] if token["kind"] == "image")
    assert image["ids"] == [PROCESSOR.layout.image]


@pytest.mark.parametrize("text", ["é日🤖", "\N{REPLACEMENT CHARACTER}"])
def test_split_characters_are_shown_whole(text: str) -> None:
    shown = describe_prompt(PROCESSOR, Conversation((Message("user", text),)), for_generation=True)
    assert "".join(token.text for token in shown).startswith(f"USER: {text}")

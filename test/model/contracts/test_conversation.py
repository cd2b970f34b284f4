"""The renderer: golden prompts per variant, masks, refusals; with a token per byte."""

import numpy as np
import pytest
from byte_encoder import ACTION_QUERY, BYTE_LAYOUT, END, FIRST_ACTION, IMAGE, ByteEncoder
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.conversation import (
    IGNORE_INDEX,
    Conversation,
    Message,
    RenderedPrompt,
    TokenLayout,
    render_conversation,
)
from spatialbot_model.contracts.errors import ConfigurationError, ContextLengthError
from spatialbot_model.contracts.prompt_templates import PROMPT_TEMPLATES, prompt_template
from spatialbot_model.contracts.types import ImageRole

TEXT_LAYOUT = TokenLayout(image=IMAGE, end=END)
RGBD: tuple[ImageRole, ...] = ("rgb", "depth")
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
    " helpful, detailed, and polite answers to the user's questions."
)
DIALOGUE = Conversation(
    (
        Message("user", "<image 1>\n<image 2>\nHow far?"),
        Message("assistant", "Depth(0.5,0.2)."),
        Message("tool", "API: Depth(0.5,0.2)=584"),
        Message("assistant", "584 mm."),
    ),
    RGBD,
)
# What each variant must read: text is masked, "+text" is supervised with the end token behind
# it, a number is that many image tokens.
GOLDEN: dict[str, list[str | int]] = {
    "release-training": [
        f"{SYSTEM} USER: ",
        *(2, "\n", 3, "\nHow far? ASSISTANT:", "+ Depth(0.5,0.2)."),
        *("USER: API: Depth(0.5,0.2)=584 ASSISTANT:", "+ 584 mm."),
    ],
    "release-quickstart": [
        f"{SYSTEM} USER: ",
        *(2, 3, "How far? ASSISTANT:", "+ Depth(0.5,0.2)."),
        *("USER: API: Depth(0.5,0.2)=584 ASSISTANT:", "+ 584 mm."),
    ],
    "release-cli": [
        f"{SYSTEM} USER: ",
        *(2, "\n", 3, "\nHow far? ASSISTANT:", "+ Depth(0.5,0.2)."),
        *("USER: API: Depth(0.5,0.2)=584 ASSISTANT:", "+ 584 mm."),
    ],
    "release-spatialbench": [
        f"{SYSTEM}USER:",
        *(2, "\n", 3, "\nHow far? ASSISTANT:", "+ Depth(0.5,0.2)."),
        *("USER:API: Depth(0.5,0.2)=584 ASSISTANT:", "+ 584 mm."),
    ],
    "release-rtx": [
        "USER:",
        *(2, "\n", 3, "\nHow far? ASSISTANT:", "+ Depth(0.5,0.2)."),
        *("USER:API: Depth(0.5,0.2)=584 ASSISTANT:", "+ 584 mm."),
    ],
    "compact": [
        "USER: ",
        *(2, 3, "How far? ASSISTANT:", "+ Depth(0.5,0.2)."),
        *("USER: API: Depth(0.5,0.2)=584 ASSISTANT:", "+ 584 mm."),
    ],
}


def expand(parts: list[str | int]) -> tuple[list[int], list[bool]]:
    ids: list[int] = []
    supervised: list[bool] = []
    for part in parts:
        if isinstance(part, int):
            new = [IMAGE] * part
        elif part.startswith("+"):
            new = [*part[1:].encode(), END]
        else:
            new = list(part.encode())
        ids += new
        supervised += [isinstance(part, str) and part.startswith("+")] * len(new)
    return ids, supervised


def render(
    conversation: Conversation,
    template: str = "compact",
    tokens: tuple[int, ...] = (2, 3),
    context_length: int = 4096,
    layout: TokenLayout = BYTE_LAYOUT,
    for_generation: bool = False,
) -> RenderedPrompt:
    return render_conversation(
        conversation,
        prompt_template(template),
        ByteEncoder(),
        layout,
        tokens,
        context_length=context_length,
        for_generation=for_generation,
    )


def asked(text: str, *roles: ImageRole) -> Conversation:
    return Conversation((Message("user", text),), roles)


def test_every_variant_has_a_golden_prompt() -> None:
    assert set(GOLDEN) == set(PROMPT_TEMPLATES)


@pytest.mark.parametrize("name", GOLDEN)
def test_variants_read_as_written_by_hand(name: str) -> None:
    ids, supervised = expand(GOLDEN[name])
    rendered = render(DIALOGUE, name)
    assert rendered.ids.dtype == np.int64
    assert rendered.ids.tolist() == ids
    assert rendered.supervised.tolist() == supervised


@pytest.mark.parametrize("name", GOLDEN)
def test_generation_starts_where_the_answer_does(name: str) -> None:
    first = Conversation(DIALOGUE.messages[:1], RGBD)
    with_tool = Conversation(DIALOGUE.messages[:3], RGBD)
    for conversation, num_parts in ((first, -3), (with_tool, -1)):
        ids, _ = expand(GOLDEN[name][:num_parts])
        rendered = render(conversation, name, for_generation=True)
        assert rendered.ids.tolist() == ids
        assert bytes(ids[-10:]) == b"ASSISTANT:"
        assert rendered.supervised.tolist() == expand(GOLDEN[name][:num_parts])[1]


def test_bare_placeholders_name_images_in_reading_order() -> None:
    bare = render(asked("<image>\n<image>\nHow far?", *RGBD), for_generation=True)
    numbered = render(Conversation(DIALOGUE.messages[:1], RGBD), for_generation=True)
    assert bare.ids.tolist() == numbered.ids.tolist()


def test_images_may_come_with_a_later_message() -> None:
    conversation = Conversation(
        (
            Message("user", "<image 1>"),
            Message("assistant", "Yes."),
            Message("user", "And <image 2> here?"),
        ),
        ("rgb", "rgb"),
    )
    ids, supervised = expand(
        ["USER: ", 2, " ASSISTANT:", "+ Yes.", "USER: And ", 3, " here? ASSISTANT:"]
    )
    rendered = render(conversation, for_generation=True)
    assert (rendered.ids.tolist(), rendered.supervised.tolist()) == (ids, supervised)


def test_a_conversation_needs_no_image() -> None:
    rendered = render(asked("Hello."), tokens=(), for_generation=True)
    assert bytes(rendered.ids.tolist()) == b"USER: Hello. ASSISTANT:"
    assert not rendered.supervised.any()


@pytest.mark.parametrize(
    ("text", "roles", "reason"),
    [
        ("How far?", RGBD, "name 0 images and 2 were given"),
        ("<image 1> How far?", RGBD, "name 1 images and 2 were given"),
        ("<image 1> and <image 1>", RGBD, "placeholder 2 in reading order is <image 1>"),
        ("<image 2> and <image 1>", RGBD, "placeholder 1 in reading order is <image 2>"),
        ("<image 0> and <image 1>", RGBD, "placeholder 1 in reading order is <image 0>"),
        ("<image 1><image 2><image 3>", RGBD, "placeholder 3 .* 2 images were given"),
        ("<image 01> and <image 2>", RGBD, "placeholder 1 in reading order is <image 01>"),
        (f"<image {'9' * 5000}>", RGBD, "placeholder 1 in reading order is <image 9999"),
        ("<image 1>", RGBD[:1], "declares 1 images and 2 were given"),
    ],
)
def test_placeholders_that_do_not_name_the_images_are_refused(
    text: str, roles: tuple[ImageRole, ...], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        render(asked(text, *roles), for_generation=True)


def test_nine_images_are_refused() -> None:
    roles: tuple[ImageRole, ...] = ("rgb",) * 9
    with pytest.raises(ConfigurationError, match="more than 8"):
        render(asked("<image>" * 9, *roles), tokens=(1,) * 9, for_generation=True)


@pytest.mark.parametrize(
    ("roles", "for_generation"),
    [
        ([], True),
        (["assistant"], False),
        (["tool"], True),
        (["user", "user"], True),
        (["user", "tool"], True),
        (["user", "assistant"], True),
        (["user"], False),
        (["user", "assistant", "assistant"], False),
        (["user", "system"], False),
    ],
)
def test_turns_out_of_order_are_refused(roles: list[str], for_generation: bool) -> None:
    messages = tuple(Message(role, "text") for role in roles)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="turns are"):
        render(Conversation(messages), tokens=(), for_generation=for_generation)


def test_a_long_prompt_is_refused_with_both_counts_and_never_cut() -> None:
    conversation = Conversation(DIALOGUE.messages[:1], RGBD)
    length = len(render(conversation, for_generation=True))
    assert len(render(conversation, context_length=length, for_generation=True)) == length
    with pytest.raises(ContextLengthError, match=rf"has {length} tokens, 5 of .* is {length - 1}"):
        render(conversation, context_length=length - 1, for_generation=True)


WRITTEN = st.text(max_size=30) | st.sampled_from(
    ["<act_050>", " <act_000><act_001>", "<act_query>", "<|endoftext|>", "ASSISTANT:", "USER: "]
)
TURN = st.tuples(WRITTEN, WRITTEN.filter(lambda t: bool(t) and "<act_" not in t))


@given(st.lists(TURN, min_size=1, max_size=3), st.sampled_from(sorted(PROMPT_TEMPLATES)))
def test_what_users_write_is_text_and_only_answers_are_learned(
    turns: list[tuple[str, str]], name: str
) -> None:
    messages = []
    for index, (said, answered) in enumerate(turns):
        said = said.replace("<image", "")
        messages += [Message("tool" if index else "user", said), Message("assistant", answered)]
    rendered = render(Conversation(tuple(messages)), name, tokens=())
    learned = rendered.ids[rendered.supervised].tolist()
    expected = [token for _, text in turns for token in [*f" {text}".encode(), END]]
    assert learned == expected
    masked = rendered.ids[~rendered.supervised]
    assert (masked < 256).all()
    template = prompt_template(name)
    around = (template.user_prefix, template.user_suffix + template.assistant_prefix)
    asked_for = "".join(around[0] + said.replace("<image", "") + around[1] for said, _ in turns)
    assert bytes(masked.tolist()) == (template.system + asked_for).encode()
    # a prompt for training starts with what was asked at the robot
    prompt = render(Conversation(tuple(messages[:-1])), name, tokens=(), for_generation=True)
    assert rendered.ids[: len(prompt)].tolist() == prompt.ids.tolist()
    assert rendered.supervised[: len(prompt)].tolist() == prompt.supervised.tolist()


def test_layout_knows_its_action_tokens() -> None:
    bins = [BYTE_LAYOUT.action_bin(FIRST_ACTION + k) for k in (-1, 0, 100, 101)]
    assert bins == [None, 0, 100, None]
    assert FIRST_ACTION + 101 == ACTION_QUERY
    assert TEXT_LAYOUT.action_bin(FIRST_ACTION) is None
    assert IGNORE_INDEX == -100

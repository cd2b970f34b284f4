"""Answers with action tokens: ids, text back, and training targets in both forms."""

import pytest
from byte_encoder import ACTION_QUERY, BYTE_LAYOUT, END, FIRST_ACTION, IMAGE, ByteEncoder
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    DeltaAction,
    format_action_tokens,
    parse_action_tokens,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.conversation import (
    Conversation,
    Message,
    RenderedPrompt,
    TokenLayout,
    causal_targets,
    decode_reply,
    parallel_inputs,
    render_conversation,
    render_reply,
)
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.prompt_templates import prompt_template

ENCODER = ByteEncoder()
TEXT_LAYOUT = TokenLayout(image=IMAGE, end=END)
ACTION = "The robot should <act_017><act_100>."
ACTION_IDS = [*b" The robot should", FIRST_ACTION + 17, FIRST_ACTION + 100, *b"."]


def test_the_blank_before_actions_belongs_to_their_run() -> None:
    assert render_reply(ACTION, ENCODER, BYTE_LAYOUT) == [*ACTION_IDS, END]
    assert decode_reply([*ACTION_IDS, END], ENCODER, BYTE_LAYOUT) == ACTION


def test_the_start_of_an_answer_is_the_start_of_its_ids() -> None:
    start = render_reply("The robot should", ENCODER, BYTE_LAYOUT, end=False)
    assert start == ACTION_IDS[: len(start)] == [*b" The robot should"]
    with_actions = render_reply("The robot should <act_017>", ENCODER, BYTE_LAYOUT, end=False)
    assert with_actions == ACTION_IDS[: len(with_actions)]


def test_an_answer_may_be_nothing_but_actions() -> None:
    ids = render_reply("<act_000><act_001>", ENCODER, BYTE_LAYOUT)
    assert ids == [FIRST_ACTION, FIRST_ACTION + 1, END]
    assert decode_reply(ids, ENCODER, BYTE_LAYOUT) == "<act_000><act_001>"


@given(st.tuples(*[st.integers(0, 100)] * 7))
def test_every_action_survives_its_ids(bins: tuple[int, ...]) -> None:
    action = DeltaAction(bins, ActionSpec())
    ids = render_reply(format_action_tokens(action), ENCODER, BYTE_LAYOUT)
    assert ids[17:24] == [FIRST_ACTION + k for k in bins]
    assert parse_action_tokens(decode_reply(ids, ENCODER, BYTE_LAYOUT), ActionSpec()) == action


@given(st.text(min_size=1).filter(lambda text: "<act_" not in text))
def test_every_text_survives_its_ids(text: str) -> None:
    for layout in (BYTE_LAYOUT, TEXT_LAYOUT):
        assert decode_reply(render_reply(text, ENCODER, layout), ENCODER, layout) == text


def test_reading_stops_at_the_end_and_shows_every_token() -> None:
    assert decode_reply([*b" Yes", END, *b" No"], ENCODER, BYTE_LAYOUT) == "Yes"
    odd = [*b" a", IMAGE, ACTION_QUERY, FIRST_ACTION, 5000]
    assert decode_reply(odd, ENCODER, BYTE_LAYOUT) == "a<image><act_query> <act_000>"
    assert decode_reply([], ENCODER, BYTE_LAYOUT) == ""


@pytest.mark.parametrize(
    ("text", "layout", "reason"),
    [
        ("", BYTE_LAYOUT, "empty"),
        (ACTION, TEXT_LAYOUT, "the model has none"),
        ("The robot should<act_001>.", BYTE_LAYOUT, "one blank before"),
        ("The robot should <act_001> <act_002>.", BYTE_LAYOUT, "one blank before"),
        ("The robot should <act_101>.", BYTE_LAYOUT, "no action token <act_101>"),
    ],
)
def test_answers_that_would_not_come_back_are_refused(
    text: str, layout: TokenLayout, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        render_reply(text, ENCODER, layout)


def rendered(*answers: str) -> RenderedPrompt:
    messages: list[Message] = []
    for answer in answers:
        messages += [Message("tool" if messages else "user", "Q"), Message("assistant", answer)]
    return render_conversation(
        Conversation(tuple(messages)),
        prompt_template("release-rtx"),
        ENCODER,
        BYTE_LAYOUT,
        (),
        context_length=999,
    )


def test_causal_targets_are_the_next_learned_ids() -> None:
    prompt = rendered("Hm", "No")
    assert prompt.ids.tolist() == [*b"USER:Q ASSISTANT: Hm", END, *b"USER:Q ASSISTANT: No", END]
    turn = [-100] * 16
    expected = [*turn, *b" Hm", END, -100, *turn, *b" No", END, -100]
    # the colon before an answer predicts its first token, the end token nothing
    assert causal_targets(prompt).tolist() == expected


def test_parallel_form_asks_for_each_number_at_its_own_place() -> None:
    prompt = rendered("Hm", ACTION)
    ids, targets = parallel_inputs(prompt, BYTE_LAYOUT)
    turn = [-100] * 16
    sentence = b" The robot should"
    assert ids.tolist() == [
        *(*b"USER:Q ASSISTANT: Hm", END),
        *(*b"USER:Q ASSISTANT:", *sentence, ACTION_QUERY, ACTION_QUERY, *b".", END),
    ]
    assert targets.tolist() == [
        *(*turn, *b" Hm", END, -100),
        # " should" learns nothing, then two numbers in place, then neither full stop nor end
        *(*turn, *sentence, -100, FIRST_ACTION + 17, FIRST_ACTION + 100, -100, -100),
    ]
    assert prompt.ids.tolist().count(ACTION_QUERY) == 0


def test_parallel_form_of_an_answer_without_actions_is_the_causal_one() -> None:
    prompt = rendered(FINISHED_TEXT)
    ids, targets = parallel_inputs(prompt, BYTE_LAYOUT)
    assert ids.tolist() == prompt.ids.tolist()
    assert targets.tolist() == causal_targets(prompt).tolist()


def test_answers_after_an_action_are_learned_again() -> None:
    prompt = rendered(ACTION, "Hm")
    _, targets = parallel_inputs(prompt, BYTE_LAYOUT)
    assert targets.tolist()[-5:] == [*b" Hm", END, -100]


def test_parallel_form_needs_action_tokens() -> None:
    with pytest.raises(ConfigurationError, match="parallel decoding needs"):
        parallel_inputs(rendered("Hm"), TEXT_LAYOUT)

"""Answers with action tokens: ids, and the text back."""

import pytest
from byte_encoder import ACTION_QUERY, BYTE_LAYOUT, END, FIRST_ACTION, IMAGE, ByteEncoder
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import (
    DeltaAction,
    format_action_tokens,
    parse_action_tokens,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.reply_tokens import TokenLayout, decode_reply, render_reply

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

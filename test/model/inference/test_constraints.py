"""Which tokens may follow: the action grammar over ids."""

import pytest
from scripted_lm import END, LAYOUT, ByteEncoder

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.conversation import TokenLayout, render_reply
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.inference.constraints import (
    FreeText,
    ReplyConstraint,
    SpokenActionConstraint,
)

BINS = (17, 51, 44, 62, 83, 7, 100)
ENCODER = ByteEncoder()
SENTENCE = render_reply(
    "The robot should " + "".join(f"<act_{k:03d}>" for k in BINS) + ".", ENCODER, LAYOUT
)
FINISHED = render_reply("The robot has finished.", ENCODER, LAYOUT)
ACTIONS = range(LAYOUT.first_action, LAYOUT.first_action + 101)


def walk(constraint: ReplyConstraint, reply: list[int]) -> None:
    """Every token of `reply` is allowed where it stands, and nothing after it."""
    for k, token in enumerate(reply):
        assert token in constraint.allowed(reply[:k]), k
    assert not constraint.allowed(reply)


@pytest.mark.parametrize("free_text", [False, True])
@pytest.mark.parametrize("reply", [SENTENCE, FINISHED])
def test_both_sentences_pass(reply: list[int], free_text: bool) -> None:
    walk(ReplyConstraint(ENCODER, LAYOUT, free_text=free_text), reply)


def test_without_free_text_the_first_token_is_already_bound() -> None:
    constraint = ReplyConstraint(ENCODER, LAYOUT)
    assert list(constraint.allowed([])) == [ord(" ")]
    assert set(constraint.allowed(list(b" The robot "))) == {ord("s"), ord("h")}
    assert constraint.allowed(list(b" The robot should")) == ACTIONS


def test_exactly_seven_actions_a_stop_and_the_end() -> None:
    constraint = ReplyConstraint(ENCODER, LAYOUT)
    start = list(b" The robot should")
    for k in range(7):
        assert constraint.allowed(start + [ACTIONS[0]] * k) == ACTIONS
    assert list(constraint.allowed(start + [ACTIONS[0]] * 7)) == [ord(".")]
    assert list(constraint.allowed([*start, *[ACTIONS[0]] * 7, ord(".")])) == [END]


def test_free_text_may_come_first_and_then_the_grammar_bites() -> None:
    constraint = ReplyConstraint(ENCODER, LAYOUT, free_text=True)
    text = list(b" The depth is 584.")
    assert constraint.allowed(text) == range(257)
    assert constraint.allowed([*text, *b" The robot should"]) == ACTIONS
    walk(constraint, [*text, *SENTENCE])
    walk(constraint, [*text, END])


def test_free_text_holds_no_special_token() -> None:
    allowed = ReplyConstraint(ENCODER, LAYOUT, free_text=True).allowed([])
    for token in (LAYOUT.image, LAYOUT.action_query, LAYOUT.first_action):
        assert token not in allowed


def test_bins_are_read_from_a_complete_sentence_only() -> None:
    constraint = ReplyConstraint(ENCODER, LAYOUT, free_text=True)
    assert constraint.action_bins(SENTENCE) == BINS
    assert constraint.action_bins([*b" 584.", *SENTENCE]) == BINS
    assert constraint.action_bins(FINISHED) is None
    assert constraint.action_bins(SENTENCE[:-3]) is None
    assert ReplyConstraint(ENCODER, LAYOUT).action_bins([1, *SENTENCE]) is None


def test_weights_without_action_tokens_have_no_action_grammar() -> None:
    with pytest.raises(ConfigurationError, match="no action tokens"):
        ReplyConstraint(ENCODER, TokenLayout(image=300, end=END))


def test_free_text_ends_with_the_end_token() -> None:
    free = FreeText(LAYOUT)
    assert free.allowed(list(b"abc")) == range(257)
    assert not free.allowed([97, END])


@pytest.mark.parametrize("bins", [BINS, (0,) * 7, (100,) * 6 + (0,)])
def test_a_spoken_action_passes(bins: tuple[int, ...]) -> None:
    text = format_action_text(DeltaAction(bins))
    head, gripper = text.rsplit(" ", 1)
    if "." not in gripper[:-2]:
        # the forced sentence writes every number with two decimals
        text = f"{head} {gripper[:-2]}.00>."
    walk(SpokenActionConstraint(ENCODER, LAYOUT), render_reply(text, ENCODER, LAYOUT))


def test_a_spoken_action_stays_in_range() -> None:
    constraint = SpokenActionConstraint(ENCODER, LAYOUT)
    assert set(constraint.allowed(list(b" The robot should <"))) == {ord("0"), ord("1")}
    assert list(constraint.allowed(list(b" The robot should <1."))) == [ord("0")]
    assert len(constraint.allowed(list(b" The robot should <0."))) == 10
    walk(constraint, FINISHED)


def test_numbers_of_several_digits_a_token_cannot_be_forced() -> None:
    class PairEncoder(ByteEncoder):
        """Writes "00" as one token, like the released model's tokenizer."""

        def encode(self, text: str) -> list[int]:
            return list(text.replace("00", "\x01").encode())

    with pytest.raises(ConfigurationError, match="digit by digit"):
        SpokenActionConstraint(PairEncoder(), LAYOUT)

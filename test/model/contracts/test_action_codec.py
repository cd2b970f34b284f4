"""The action language: golden sentences, exact round trips, refusal of everything else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import (
    FINISHED_TEXT,
    ActionSpec,
    DeltaAction,
    Finished,
    action_token,
    format_action_text,
    format_action_tokens,
    parse_action_text,
    parse_action_tokens,
)
from spatialbot_model.contracts.errors import ActionParseError, ConfigurationError

SPEC = ActionSpec()
PAPER_TEXT = "The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>."
PAPER_BINS = (17, 51, 44, 62, 83, 7, 100)
PAPER_TOKENS = "The robot should <act_017><act_051><act_044><act_062><act_083><act_007><act_100>."

bins7 = st.tuples(*[st.integers(0, 100)] * 7)


def test_the_papers_example_is_golden() -> None:
    action = DeltaAction(PAPER_BINS, SPEC)
    assert format_action_text(action) == PAPER_TEXT
    assert parse_action_text(PAPER_TEXT, SPEC) == action
    assert format_action_tokens(action) == PAPER_TOKENS
    assert parse_action_tokens(PAPER_TOKENS, SPEC) == action


@given(bins7)
def test_text_and_tokens_round_trip_every_bin_vector(bins: tuple[int, ...]) -> None:
    action = DeltaAction(bins, SPEC)
    assert parse_action_text(format_action_text(action), SPEC) == action
    assert parse_action_tokens(format_action_tokens(action), SPEC) == action


@pytest.mark.parametrize("k", range(101))
def test_every_bin_survives_metric_values_and_back(k: int) -> None:
    action = DeltaAction((k, 100 - k, k, 100 - k, k, 50, 0), SPEC)
    back = DeltaAction.from_values(action.translation_m, action.rotation_rad, False, SPEC)
    assert back == action
    expected = SPEC.low + np.array(action.bins) / 100 * (SPEC.high - SPEC.low)
    np.testing.assert_allclose(action.translation_m, expected[:3], atol=1e-15)
    np.testing.assert_allclose(action.rotation_rad, expected[3:6], atol=1e-15)


@given(st.floats(1e-6, 10.0), st.floats(1e-6, 10.0))
def test_bin_50_is_exactly_no_motion_and_ends_are_exact(limit_m: float, limit_rad: float) -> None:
    spec = ActionSpec(translation_limit_m=limit_m, rotation_limit_rad=limit_rad)
    rest = DeltaAction((50,) * 7, spec)
    assert np.all(rest.translation_m == 0.0)
    assert np.all(rest.rotation_rad == 0.0)
    ends = DeltaAction((0, 100, 50, 0, 100, 50, 0), spec)
    assert ends.translation_m.tolist() == [-limit_m, limit_m, 0.0]
    assert ends.rotation_rad.tolist() == [-limit_rad, limit_rad, 0.0]


@given(st.tuples(*[st.floats(-1.0, 1.0)] * 6), st.booleans())
def test_quantisation_is_to_the_nearest_bin(values: tuple[float, ...], closed: bool) -> None:
    translation_m = np.array(values[:3]) * SPEC.translation_limit_m
    rotation_rad = np.array(values[3:]) * SPEC.rotation_limit_rad
    action = DeltaAction.from_values(translation_m, rotation_rad, closed, SPEC)
    half_bin = 0.5 * (1 + 1e-9) / 50
    error_m = np.abs(action.translation_m - translation_m)
    assert np.all(error_m <= half_bin * SPEC.translation_limit_m)
    assert np.all(np.abs(action.rotation_rad - rotation_rad) <= half_bin * SPEC.rotation_limit_rad)
    assert action.gripper_closed is closed
    assert action.bins[6] == (100 if closed else 0)


def test_gripper_closes_from_the_middle_up_and_follows_the_specs_sense() -> None:
    assert not DeltaAction((50,) * 6 + (49,), SPEC).gripper_closed
    assert DeltaAction((50,) * 6 + (50,), SPEC).gripper_closed
    inverted = ActionSpec(gripper_closed_value=0.0)
    assert DeltaAction((50,) * 6 + (0,), inverted).gripper_closed
    assert DeltaAction.from_values([0] * 3, [0] * 3, True, inverted).bins[6] == 0


def test_values_beyond_the_range_raise_unless_clipped() -> None:
    with pytest.raises(ConfigurationError, match=r"translation_m.*0\.03"):
        DeltaAction.from_values([0.031, 0, 0], [0, 0, 0], False, SPEC)
    with pytest.raises(ConfigurationError, match="rotation_rad"):
        DeltaAction.from_values([0, 0, 0], [0, -0.2, 0], False, SPEC)
    clipped = DeltaAction.from_values([1.0, 0, 0], [0, -9.0, 0], False, SPEC, clip=True)
    assert clipped.bins == (100, 50, 50, 50, 0, 50, 0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("clip", [True, False])
def test_values_that_are_not_finite_raise_even_when_clipping(bad: float, clip: bool) -> None:
    with pytest.raises(ConfigurationError, match="finite"):
        DeltaAction.from_values([0, bad, 0], [0, 0, 0], False, SPEC, clip=clip)
    with pytest.raises(ConfigurationError, match="finite"):
        DeltaAction.from_values([0, 0, 0], [0, 0, bad], False, SPEC, clip=clip)


@pytest.mark.parametrize("bad", [[0.0], [0.0] * 4, "up", None])
def test_values_of_wrong_shape_raise(bad: object) -> None:
    with pytest.raises(ConfigurationError, match="translation_m"):
        DeltaAction.from_values(bad, [0, 0, 0], False, SPEC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "bins", [(), (50,) * 6, (50,) * 8, (101,) * 7, (-1,) * 7, (0.5,) * 7, (True,) * 7]
)
def test_bins_that_are_not_seven_integers_raise(bins: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="seven integers"):
        DeltaAction(bins, SPEC)


def test_finished_ends_an_instruction_in_both_forms() -> None:
    assert parse_action_text(FINISHED_TEXT, SPEC) == Finished()
    assert parse_action_text(f" {FINISHED_TEXT}\n", SPEC) == Finished()
    assert parse_action_tokens(FINISHED_TEXT, SPEC) == Finished()


@pytest.mark.parametrize(
    ("text", "bins"),
    [
        ("The robot should <0.17,0.51,0.44,0.62,0.83,0.07,1>", PAPER_BINS),
        ("The robot should < 0, 1, 0.5, 0.50, 0.500, 1.00, 0 >.", (0, 100, 50, 50, 50, 100, 0)),
        ("The robot should <0.2900001, 0, 0, 0, 0, 0, 1.0000001>.", (29, 0, 0, 0, 0, 0, 100)),
        (f"Point <0.5,0.2> is Depth(0.51,0.40). {PAPER_TEXT}", PAPER_BINS),
        # released form: the terminate flag in front is skipped
        ("The robot should <0, 0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>.", PAPER_BINS),
        ("<0, 0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>", PAPER_BINS),
        ("[1, 0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1]", PAPER_BINS),
    ],
)
def test_accepted_spellings(text: str, bins: tuple[int, ...]) -> None:
    assert parse_action_text(text, SPEC) == DeltaAction(bins, SPEC)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not end with a complete action"),
        ("I cannot see a cup.", "not end with a complete action"),
        (
            "The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1",
            "not end with a complete action",
        ),
        (
            "the robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>.",
            "not end with a complete action",
        ),
        ("The robot should <0.1, 0.1, 0.1, 0.1, 0.1, 1>.", "6 numbers"),
        ("The robot should <0, 0, 0, 0, 0, 0, 0, 0, 0>.", "9 numbers"),
        ("The robot should <>.", "1 numbers"),
        ("<0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1>", "7 numbers"),
        ("The robot should <0.17, 0.51, 0.44, 0.62, 0.83, 0.07, 1.01>.", "1.01 outside"),
        ("The robot should <" + "9" * 400 + ", 0, 0, 0, 0, 0, 1>.", "outside"),
        ("The robot should <-0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'-0.1'"),
        ("The robot should <nan, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'nan'"),
        ("The robot should <inf, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'inf'"),
        ("The robot should <1e-1, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'1e-1'"),
        ("The robot should <0.5.1, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'0.5.1'"),
        ("The robot should <٠, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'٠'"),
        ("The robot should <0.5, , 0.5, 0.5, 0.5, 0.5, 1>.", "''"),
        ("The robot should <0.175, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "0.175, which is no multiple"),
        ("The robot should <nan, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "'nan'"),
        (f"{PAPER_TEXT} {PAPER_TEXT}", "2 actions"),
        (f"{PAPER_TEXT} {FINISHED_TEXT}", "2 actions"),
        (f"{FINISHED_TEXT} {FINISHED_TEXT}", "2 actions"),
        (f"<0,0,0,0,0,0,0> {PAPER_TEXT}", "2 actions"),
        (f"{PAPER_TEXT} Or <0,0,0,0,0,0,0>", "2 actions"),
        (f"{PAPER_TEXT} USER: stop!", "not end with a complete action"),
        (f"{FINISHED_TEXT} Or has it?", "not end with a complete action"),
        (PAPER_TOKENS, "not end with a complete action"),
    ],
)
def test_malformed_text_raises_and_says_why(text: str, reason: str) -> None:
    with pytest.raises(ActionParseError) as caught:
        parse_action_text(text, SPEC)
    assert reason in str(caught.value)
    assert repr(text)[1:40].rstrip("'") in str(caught.value)
    assert "expected exactly one action" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        PAPER_TEXT,
        PAPER_TOKENS.replace("<act_017>", ""),
        PAPER_TOKENS.replace("<act_017>", "<act_017><act_017>"),
        PAPER_TOKENS.replace("<act_017>", "<act_101>"),
        PAPER_TOKENS.replace("<act_017>", "<act_17>"),
        PAPER_TOKENS + " <act_001>",
        PAPER_TOKENS + " USER: stop!",
        f"{PAPER_TOKENS} {PAPER_TOKENS}",
    ],
)
def test_malformed_tokens_raise(text: str) -> None:
    with pytest.raises(ActionParseError):
        parse_action_tokens(text, SPEC)


@given(st.text(max_size=80))
def test_arbitrary_text_never_moves_the_arm(text: str) -> None:
    with pytest.raises(ActionParseError):
        parse_action_text(text, SPEC)


def test_text_that_is_no_text_raises() -> None:
    with pytest.raises(ActionParseError, match="NoneType"):
        parse_action_text(None, SPEC)  # type: ignore[arg-type]


def test_action_tokens_are_101_distinct_words() -> None:
    tokens = [action_token(k) for k in range(101)]
    assert tokens[0] == "<act_000>"
    assert tokens[100] == "<act_100>"
    assert len(set(tokens)) == 101
    for bad in (-1, 101, True):
        with pytest.raises(ConfigurationError):
            action_token(bad)

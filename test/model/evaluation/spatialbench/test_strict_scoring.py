"""Strict scores: what answers say, pairs by id, intervals."""

import math

import pytest

from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.spatialbench.answer_parsing import (
    contains_phrase,
    count_in,
    depth_mm_in,
    yes_or_no,
)
from spatialbot_model.evaluation.spatialbench.depth_scoring import score_depths
from spatialbot_model.evaluation.spatialbench.strict_scoring import pairs_of, strict_score


def asked(expected: list[object], ids: list[str] | None = None) -> list[Question]:
    names = ids or [str(k) for k in range(len(expected))]
    return [
        Question(f"q/{k}", "?", (), answer, {"id": name})
        for k, (answer, name) in enumerate(zip(expected, names, strict=True))
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes", "yes"),
        ("NO!", "no"),
        ("No, it has not.", "no"),
        ("None of them", None),
        ("Yes and no", None),
        ("Yesterday", None),
        ("", None),
    ],
)
def test_yes_or_no(text: str, said: str | None) -> None:
    assert yes_or_no(text) == said


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("3", 3),
        ("There are three cups.", 3),
        ("3 cups, three in all", 3),
        ("1,200", 1200),
        ("No cups.", 0),
        ("There is one, no two!", 2),
        ("One.", 1),
        ("2 or 3", None),
        ("2.5", None),
        ("many", None),
        ("", None),
        ("4.", 4),
        ("4.0", 4),
    ],
)
def test_counts_in_words_and_digits(text: str, count: int | None) -> None:
    assert count_in(text) == count


@pytest.mark.parametrize(
    ("text", "depth_mm"),
    [
        ("584", 584.0),
        ("The depth value of point(0.51,0.40) is 584.", 584.0),
        ("At <0.5, 0.2> it is 0.584 m", 584.0),
        ("Depth(0.51,0.40)=584 mm, which is 584 millimeters", 584.0),
        ("58.4cm", 584.0),
        ("1,250 mm", 1250.0),
        ("between 500 and 600", None),
        ("far away", None),
        ("Depth(0.5,0.5)", None),
    ],
)
def test_depths(text: str, depth_mm: float | None) -> None:
    found = depth_mm_in(text)
    assert (found is None) == (depth_mm is None)
    assert found is None or math.isclose(found, depth_mm or 0.0)


def test_phrases_are_whole_words() -> None:
    assert contains_phrase("It is to the LEFT, of it.", "left of")
    assert not contains_phrase("It was leftover", "left")
    assert not contains_phrase("anything", "")


def test_pairs_by_id_in_any_order_and_by_position_without() -> None:
    ids = ["a_neg", "b_pos", "a_pos", "c_pos", "b_neg"]
    assert pairs_of(asked(["x"] * 5, ids)) == [(2, 0), (1, 4)]
    assert pairs_of(asked(["x"] * 5)) == [(0, 1), (2, 3)]
    # two pairs of one image
    ids = ["a_pos", "a_neg", "a_pos", "a_neg"]
    assert pairs_of(asked(["x"] * 4, ids)) == [(0, 1), (2, 3)]


def test_reach_has_points_of_pairs_and_counts_invalid_answers() -> None:
    questions = asked(["Yes", "No", "Yes", "No"])
    result = strict_score("reach", questions, ["yes.", "No", "Yes", "Nothing"])
    assert (result["n"], result["invalid"]) == (4, 1)
    assert result["accuracy"]["successes"] == 3
    assert result["score"]["percent"] == pytest.approx(100 * (3 + 1) / 6)
    assert result["score"]["low"] <= result["score"]["percent"] <= result["score"]["high"]
    assert result["both_right"]["percent"] == 50.0
    assert (
        strict_score("existence", questions, ["Yes", "No", "Yes", "Yes"])["score"]
        == (result["both_right"])
    )


def test_exact_interval_of_ten_of_ten() -> None:
    result = strict_score("positional", asked(["left"] * 10), ["on the left"] * 10)
    assert result["score"]["percent"] == 100.0
    # Clopper-Pearson: (0.025) ** (1 / 10)
    assert result["score"]["low"] == pytest.approx(100 * 0.025**0.1)
    assert result["score"]["high"] == 100.0


def test_counting_never_falls_below_zero_and_knows_none() -> None:
    result = strict_score("counting", asked([4, 2, 0, 5]), ["three", "9", "none", "lots"])
    assert result["score"]["percent"] == pytest.approx((75.0 + 0.0 + 100.0 + 0.0) / 4)
    assert (result["invalid"], result["accuracy"]["successes"]) == (1, 1)
    assert result["mean_error"] == pytest.approx((1 + 7 + 0) / 3)


def test_depth_metric() -> None:
    result = score_depths([1000, 1000, 1000, 1000], ["1000", "1200", "0.8 m", "no idea"])
    accuracy = {k: v["successes"] for k, v in result["ratio_accuracy"].items()}
    # 1000 / 800 is exactly 1.25, which is not below it
    assert accuracy == {"1.01": 1, "1.1": 1, "1.25": 2, "1.25^2": 3, "1.25^3": 3}
    assert result["invalid"] == 1 and result["score"]["percent"] == 50.0
    assert result["median_relative_error"]["value"] == pytest.approx(0.2)
    assert result["median_relative_error"]["high"] is None
    assert score_depths([5, 5], ["?", "?"])["median_relative_error"]["value"] is None

"""The release's scores, computed by hand from its script's rules."""

import pytest

from spatialbot_model.evaluation.spatialbench.release_scoring import release_score

YES_NO = ["Yes", "No", "Yes", "No"]


@pytest.mark.parametrize("category", ["reach", "size"])
@pytest.mark.parametrize(
    ("responses", "points"),
    [
        (["Yes", "No", "Yes", "No"], 6),
        (["Yes", "Yes", "Yes", "No"], 4),
        (["No", "No", "No", "Yes"], 1),
        (["yes", "no", "YES", "NO"], 0),  # another case is another text
        (["Yesterday", "None", "Yes", "Not at all"], 6),  # found inside a word
        (["Yes and No", "Yes and No", "", " "], 3),
    ],
)
def test_pairs_give_a_point_each_and_one_for_both(
    category: str, responses: list[str], points: int
) -> None:
    score = release_score(category, YES_NO, responses)  # type: ignore[arg-type]
    assert (score.points, score.full) == (points, 6)
    assert score.percent == 100 * points / 6


def test_pairs_are_neighbours_whichever_comes_first() -> None:
    """The script looks at no id: negative first, or two halves of different pairs, is all one."""
    score = release_score("existence", ["No", "Yes", "Yes", "No"], ["No", "Yes", "Yes", "Yes"])
    assert score.percent == 50.0
    # a positive and the next image's positive are a pair to it as well
    score = release_score("existence", ["Yes", "Yes", "No", "No"], ["Yes", "Yes", "No", "Yes"])
    assert score.percent == 50.0


def test_an_odd_number_of_records_has_no_score() -> None:
    for category in ("existence", "reach", "size"):
        score = release_score(category, YES_NO[:3], YES_NO[:3])  # type: ignore[arg-type]
        assert score.percent is None and "pairs" in score.stopped


def test_positions_are_searched_in_the_response() -> None:
    expected = ["left", "left", "Behind", ""]
    responses = ["It is on the left.", "Left", "behind it", "anything"]
    assert release_score("positional", expected, responses).percent == 50.0


@pytest.mark.parametrize(
    ("expected", "responses", "percent"),
    [
        ([4, 3], ["4", "3"], 100.0),
        ([4, 3], [" 3\n", "+6"], 100 - (25.0 + 100.0) / 2),
        ([2], ["9"], 100 - 350.0),  # below zero
        ([3, 7, 9], ["2", "6", "10"], 100 - (1 / 3 * 100 + 1 / 7 * 100 + 1 / 9 * 100) / 3),
    ],
)
def test_counts(expected: list[int], responses: list[str], percent: float) -> None:
    assert release_score("counting", expected, responses).percent == percent


@pytest.mark.parametrize("response", ["three", "There are 3.", "3.0", ""])
def test_text_instead_of_a_count_ends_the_script(response: str) -> None:
    score = release_score("counting", [4, 3], ["4", response])
    assert score.percent is None and repr(response) in score.stopped


def test_no_score_where_the_script_divides_by_zero_or_does_not_exist() -> None:
    assert "zero" in release_score("counting", [0], ["0"]).stopped
    assert "zero" in release_score("positional", [], []).stopped
    assert "depth" in release_score("depth", [100], ["100"]).stopped

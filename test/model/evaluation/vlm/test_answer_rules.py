"""Rules that decide what an answer means."""

import pytest

from spatialbot_model.evaluation.vlm.choices import infer_choice, rotations
from spatialbot_model.evaluation.vlm.vqa_answers import CONTRACTIONS, normalise, soft_accuracy

OPTIONS = {"A": "a red cup", "B": "a cup", "C": "dog", "D": "cat"}


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("B", "B"),
        ("(C)", "C"),
        ("D. cat", "D"),
        ("The answer is C.", "C"),
        ("A. a red cup", "A"),
        ("A dog can be seen there", "C"),  # an article, and the text of one option
        ("It is a dog", "C"),
        ("A or B", None),
        ("It is a red cup", "A"),
        ("the dog and the cat", None),
        ("", None),
    ],
)
def test_choices(text: str, choice: str | None) -> None:
    assert infer_choice(text, OPTIONS) == choice


def test_rotations_without_an_answer() -> None:
    turned = rotations({"A": "x", "B": "y"}, None)
    assert turned == [({"A": "x", "B": "y"}, ""), ({"A": "y", "B": "x"}, "")]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The Two Dogs!", "2 dogs"),
        ("dont know", "don't know"),
        ("black-white", "black white"),
        ("black - white", "black white"),
        ("1,000 - 2", "1000 2"),
        ("it is 2.5.", "it is 2.5"),
        ("none", "0"),
        ("couldnt've", "couldn't've"),
        ("somebody'd", "somebodyd"),  # as the official table has it
        ("a. b.", "b"),
    ],
)
def test_vqa_normalisation(text: str, plain: str) -> None:
    assert normalise(text) == plain


def test_vqa_removes_32_full_stops_at_most() -> None:
    assert normalise("x" + "." * 40) == "x" + "." * 8


def test_vqa_contractions() -> None:
    assert CONTRACTIONS["yall'd've"] == CONTRACTIONS["y'alld've"] == "y'all'd've"
    assert all(short != word for short, word in CONTRACTIONS.items())


@pytest.mark.parametrize(("equal", "accuracy"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0)])
def test_soft_accuracy(equal: int, accuracy: float) -> None:
    truths = ["cat"] * equal + ["dog"] * (10 - equal)
    assert soft_accuracy("Cat.", truths) == pytest.approx(accuracy)


def test_where_all_agree_nothing_is_normalised() -> None:
    assert soft_accuracy("yes", ["Yes"] * 10) == 0.0
    assert soft_accuracy("Yes\n", ["Yes"] * 10) == 1.0

"""Answers that no model gives: what guessing scores, and what perfect knowledge does.

They say what a score is worth: `random` chooses among the answers that a question offers, `text`
has learned from questions but sees no picture, `oracle` looks everything up.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.spatialbench.guessers import (
    guess_at_random,
    guess_from_text,
    read_known,
)
from spatialbot_model.evaluation.spatialbench.oracle import Oracle
from spatialbot_model.evaluation.spatialbench.records import Category

BASELINES = ("random", "text", "oracle")


def answer_baseline(
    name: str, folder: Path, categories: Mapping[Category, Sequence[Question]], seed: int = 0
) -> dict[str, str]:
    """Answers of a baseline by the key of the question.

    Args:
        folder: of the benchmark; the oracle reads its annotations.
        seed: of `random`.

    Raises:
        UnknownNameError: no such baseline.
        ConfigurationError: the oracle finds no annotations or does not understand a question, or
            there is nothing that `text` can read to learn from.
    """
    if name == "random":
        return {
            question.key: guess_at_random(category, question, seed)
            for category, questions in categories.items()
            for question in questions
        }
    if name == "text":
        answers: dict[str, str] = {}
        known = read_known(folder, categories)
        for category, questions in categories.items():
            answers |= guess_from_text(category, questions, known[category])
        return answers
    if name == "oracle":
        oracle = Oracle.open(folder)
        return {
            question.key: oracle.answer(question)
            for questions in categories.values()
            for question in questions
        }
    raise UnknownNameError("baseline", name, BASELINES)

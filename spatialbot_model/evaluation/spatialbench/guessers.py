"""Guessing without looking: at random, or from the words of a question.

The second one learns from questions about other pictures which words go with which answers (naive
Bayes on words and their place; for counts and depths the value that would have scored best). What
it scores above chance is what a benchmark gives away in its text.

It learns from `unbalanced.json` where a benchmark has that, else from the other questions. Those
teach little where answers were balanced: of what is left, each word speaks against its answer.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import read_json
from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.spatialbench.records import Category

UNBALANCED_NAME = "unbalanced.json"

_OFFERED = re.compile(r"Answer with (.+) or (.+)\.$")
_NAMED = re.compile(r"the ([\w ]+) or the ([\w ]+)\? Answer with its name\.$")
_COUNTS = (1, 5)
_DEPTHS_MM = (300.0, 6000.0)
_RATIO = 1.25


def offered(text: str) -> tuple[str, str]:
    """The two answers that a question offers; Yes and No where it offers none."""
    match = _OFFERED.search(text) or _NAMED.search(text)
    return (match[1], match[2]) if match else ("Yes", "No")


def guess_at_random(category: Category, question: Question, seed: int) -> str:
    """An answer of the kind that is asked for, the same for the same seed and question."""
    digest = hashlib.sha256(f"{seed} {question.key}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    if category == "counting":
        return str(int(rng.integers(_COUNTS[0], _COUNTS[1] + 1)))
    if category == "depth":
        low, high = (math.log(value) for value in _DEPTHS_MM)
        return str(round(math.exp(float(rng.uniform(low, high)))))
    return offered(question.text)[int(rng.integers(2))]


@dataclass(frozen=True, slots=True)
class Known:
    """A question with its answer to learn from."""

    picture: str
    text: str
    answer: str


def read_known(
    folder: Path, categories: Mapping[Category, Sequence[Question]]
) -> dict[Category, list[Known]]:
    """What there is to learn from, by category.

    Raises:
        ConfigurationError: `unbalanced.json` is there, but not as described.
    """
    path = folder / UNBALANCED_NAME
    if not path.is_file():
        return {
            category: [Known(_picture(q), q.text, str(q.expected)) for q in questions]
            for category, questions in categories.items()
        }
    try:
        data = read_json(path)
        return {
            category: [Known(*map(str, record)) for record in data[category]]
            for category in categories
        }
    except (KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} does not hold [picture, question, answer] of every category ({error!r})"
        ) from error


def guess_from_text(
    category: Category, questions: Sequence[Question], known: Sequence[Known]
) -> dict[str, str]:
    """An answer to each question by key, learned from what is known about other pictures."""
    guess: Callable[[str, Sequence[Known]], str] = _by_words
    if category == "counting":
        guess = _count
    elif category == "depth":
        guess = _depth
    return {
        question.key: guess(
            question.text, [other for other in known if other.picture != _picture(question)]
        )
        for question in questions
    }


def _by_words(text: str, others: Sequence[Known]) -> str:
    """Which of the two offered answers the words speak for: the first or the second one."""
    alike = [other for other in others if _form(other.text) == _form(text)] or list(others)
    labels: Counter[int] = Counter()
    words: dict[int, Counter[str]] = defaultdict(Counter)
    for other in alike:
        options = offered(other.text)
        if other.answer in options:
            label = options.index(other.answer)
            labels[label] += 1
            words[label].update(_tokens(other.text))
    scores = [
        math.log(labels[label] + 1)
        + sum(math.log((words[label][token] + 1) / (labels[label] + 2)) for token in _tokens(text))
        for label in (0, 1)
    ]
    return offered(text)[int(scores[1] > scores[0])]


def _form(text: str) -> str:
    """What is the same in questions about different things."""
    tail = "" if _NAMED.search(text) else text.rsplit("Answer", 1)[-1]
    return tail + " ".join(sorted({"taller", "wider", "closer"} & set(_words(text))))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _tokens(text: str) -> set[str]:
    """Words, and in which half of the question they stand."""
    words = _words(text)
    return {f"{2 * place // len(words)} {word}" for place, word in enumerate(words)}


def _count(text: str, others: Sequence[Known]) -> str:
    """The count that would have scored best where the same was asked, else everywhere."""
    alike = [other for other in others if other.text == text] or list(others)
    truths = [int(other.answer) for other in alike if int(other.answer) > 0]

    def score(count: int) -> float:
        return sum(max(0.0, 1 - abs(count - truth) / truth) for truth in truths)

    return str(max(sorted(set(truths)), key=score)) if truths else "1"


def _depth(_text: str, others: Sequence[Known]) -> str:
    """The one depth that is close to most others."""
    truths = np.array([float(other.answer) for other in others])
    if truths.size == 0:
        return "1000"

    def near(depth_mm: float) -> int:
        ratio = np.maximum(truths / depth_mm, depth_mm / truths)
        return int(np.count_nonzero(ratio < _RATIO))

    best_mm: float = max(sorted(set(truths.tolist())), key=near)
    return str(round(best_mm))


def _picture(question: Question) -> str:
    path = question.images[0].path if question.images else None
    return "" if path is None else path.stem

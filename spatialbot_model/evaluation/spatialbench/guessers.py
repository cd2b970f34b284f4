"""Guessing without looking: at random, or from the words of a question.

The second one learns from all questions of the category about other pictures which words go with
which answers (naive Bayes on words and their place; for counts and depths the value that would have
scored best). What it scores above chance is what a benchmark gives away in its text.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.spatialbench.records import Category

_OFFERED = re.compile(r"Answer with (.+) or (.+)\.$")
_NAMED = re.compile(r"the ([\w ]+) or the ([\w ]+)\? Answer with its name\.$")
_COUNTS = (1, 5)
_DEPTHS_MM = (300.0, 6000.0)
_RATIO = 1.25


def offered(question: Question) -> tuple[str, str]:
    """The two answers that a question offers; Yes and No where it offers none."""
    match = _OFFERED.search(question.text) or _NAMED.search(question.text)
    return (match[1], match[2]) if match else ("Yes", "No")


def guess_at_random(category: Category, question: Question, seed: int) -> str:
    """An answer of the kind that is asked for, the same for the same seed and question."""
    digest = hashlib.sha256(f"{seed} {question.key}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    if category == "counting":
        return str(int(rng.integers(_COUNTS[0], _COUNTS[1] + 1)))
    if category == "depth":
        return str(round(math.exp(rng.uniform(*(math.log(value) for value in _DEPTHS_MM)))))
    return offered(question)[int(rng.integers(2))]


def guess_from_text(category: Category, questions: Sequence[Question]) -> dict[str, str]:
    """An answer to each question by key, learned from questions about other pictures."""
    guess: Callable[[Question, Sequence[Question]], str] = _by_words
    if category == "counting":
        guess = _count
    elif category == "depth":
        guess = _depth
    return {
        question.key: guess(
            question,
            [q for q in questions if q.images[:1] != question.images[:1]],
        )
        for question in questions
    }


def _by_words(question: Question, others: Sequence[Question]) -> str:
    """Which of the two offered answers the words speak for: the first or the second one."""
    alike = [q for q in others if _form(q) == _form(question)] or list(others)
    labels: Counter[int] = Counter()
    words: dict[int, Counter[str]] = defaultdict(Counter)
    for other in alike:
        options = offered(other)
        if other.expected in options:
            label = options.index(other.expected)
            labels[label] += 1
            words[label].update(_tokens(other))
    scores = [
        math.log(labels[label] + 1)
        + sum(
            math.log((words[label][token] + 1) / (labels[label] + 2)) for token in _tokens(question)
        )
        for label in (0, 1)
    ]
    return offered(question)[int(scores[1] > scores[0])]


def _form(question: Question) -> str:
    """What is the same in questions about different things."""
    tail = question.text.rsplit("Answer", 1)[-1]
    return tail + " ".join(sorted({"taller", "wider"} & set(_words(question))))


def _words(question: Question) -> list[str]:
    return re.findall(r"[a-z]+", question.text.lower())


def _tokens(question: Question) -> set[str]:
    """Words, and in which half of the question they stand."""
    words = _words(question)
    return {f"{2 * place // len(words)} {word}" for place, word in enumerate(words)}


def _count(question: Question, others: Sequence[Question]) -> str:
    """The count that would have scored best where the same was asked, else everywhere."""
    alike = [q for q in others if q.text == question.text] or list(others)
    truths = [int(q.expected) for q in alike if int(q.expected) > 0]

    def score(count: int) -> float:
        return sum(max(0.0, 1 - abs(count - truth) / truth) for truth in truths)

    return str(max(sorted(set(truths)), key=score)) if truths else "1"


def _depth(_question: Question, others: Sequence[Question]) -> str:
    """The one depth that is close to most others."""
    truths = np.array([float(q.expected) for q in others])
    if truths.size == 0:
        return "1000"

    def near(depth_mm: float) -> int:
        ratio = np.maximum(truths / depth_mm, depth_mm / truths)
        return int(np.count_nonzero(ratio < _RATIO))

    return str(round(max(sorted(set(truths.tolist())), key=near)))

"""Scores that mean what they say: whole words, tolerant numbers, invalid answers counted.

An answer that says nothing, or both yes and no, is invalid and wrong. Shares have exact
(Clopper-Pearson) 95 % intervals; points and errors have bootstrap intervals over what is
independent: pairs, or questions where there are none.
"""

from collections.abc import Sequence
from typing import Any

from spatialbot_model.evaluation.intervals import bootstrap_mean, exact_rate
from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.spatialbench.answer_parsing import (
    contains_phrase,
    count_in,
    says_something,
    yes_or_no,
)
from spatialbot_model.evaluation.spatialbench.depth_scoring import score_depths
from spatialbot_model.evaluation.spatialbench.records import PAIRED, Category

_POSITIVE, _NEGATIVE = ("_pos", "_positive"), ("_neg", "_negative")


def strict_score(
    category: Category, questions: Sequence[Question], responses: Sequence[str]
) -> dict[str, Any]:
    """Score one category.

    Returns:
        `score` (percent with its 95 % interval, on the scale of the release), `accuracy` (share
        of right answers), `invalid` and `n`; for pairs also `both_right`, for counts `mean_error`.
    """
    if category == "depth":
        return score_depths([question.expected for question in questions], responses)
    if category == "counting":
        return _counts([question.expected for question in questions], responses)
    verdicts = [
        _verdict(str(question.expected), text)
        for question, text in zip(questions, responses, strict=True)
    ]
    right = [verdict is True for verdict in verdicts]
    result: dict[str, Any] = {
        "n": len(right),
        "invalid": sum(verdict is None for verdict in verdicts),
        "accuracy": exact_rate(sum(right), len(right)),
    }
    if category not in PAIRED:
        return {**result, "score": result["accuracy"]}
    pairs = pairs_of(questions)
    both = [right[first] and right[second] for first, second in pairs]
    result["unpaired"] = len(right) - 2 * len(pairs)
    result["both_right"] = exact_rate(sum(both), len(both))
    if category == "existence":
        return {**result, "score": result["both_right"]}
    points = [
        100.0 * (right[first] + right[second] + (right[first] and right[second])) / 3.0
        for first, second in pairs
    ]
    return {**result, "score": bootstrap_mean(points)}


def pairs_of(questions: Sequence[Question]) -> list[tuple[int, int]]:
    """Which questions belong together: by ids ending in _pos and _neg, else by position.

    A question whose partner is missing is in no pair.
    """
    ids = [str(question.tags.get("id", "")) for question in questions]
    stems = [_stem(name) for name in ids]
    if all(stem is not None for stem in stems):
        halves: dict[str, dict[bool, list[int]]] = {}
        for index, stem in enumerate(stems):
            if stem is not None:
                sides = halves.setdefault(stem[0], {True: [], False: []})
                sides[stem[1]].append(index)
        return [
            pair
            for sides in halves.values()
            for pair in zip(sides[True], sides[False], strict=False)
        ]
    return [(k, k + 1) for k in range(0, len(questions) - 1, 2)]


def _stem(name: str) -> tuple[str, bool] | None:
    for endings, positive in ((_POSITIVE, True), (_NEGATIVE, False)):
        for ending in endings:
            if name.lower().endswith(ending):
                return name[: -len(ending)], positive
    return None


def _verdict(expected: str, response: str) -> bool | None:
    """Right, wrong, or None for an answer that is none."""
    wanted = yes_or_no(expected)
    if wanted is not None:
        said = yes_or_no(response)
        return None if said is None else said == wanted
    if not says_something(response):
        return None
    return contains_phrase(response, expected)


def _counts(expected: Sequence[int], responses: Sequence[str]) -> dict[str, Any]:
    counts = [count_in(text) for text in responses]
    points = []
    for answer, count in zip(expected, counts, strict=True):
        if count is None:
            points.append(0.0)
        elif answer == 0:
            points.append(100.0 if count == 0 else 0.0)
        else:
            points.append(max(0.0, 100.0 - 100.0 * abs(count - answer) / abs(answer)))
    right = sum(count == answer for answer, count in zip(expected, counts, strict=True))
    known = [abs(c - a) for a, c in zip(expected, counts, strict=True) if c is not None]
    return {
        "n": len(counts),
        "invalid": sum(count is None for count in counts),
        "accuracy": exact_rate(right, len(counts)),
        "mean_error": sum(known) / len(known) if known else None,
        "score": bootstrap_mean(points),
    }

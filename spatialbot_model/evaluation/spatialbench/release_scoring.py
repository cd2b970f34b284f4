"""Scores as the release's script computes them, to the last bit, its quirks included.

The script finds an answer by a case-sensitive search for the expected text anywhere in the
response ("No" is found in "None", "no" is not "No"); pairs are records 2k and 2k + 1 whatever
their ids say; a count must be nothing but an integer, else the script ends with an error. Where
it would end with an error there is no score, and the reason is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from spatialbot_model.evaluation.spatialbench.records import Category


@dataclass(frozen=True, slots=True)
class ReleaseScore:
    """What the release's script would print.

    Attributes:
        percent: 0..100, counting can fall below; None where the script has no score.
        points, full: what the percentage is made of; None for counting.
        stopped: why there is none.
    """

    percent: float | None
    points: int | None = None
    full: int | None = None
    stopped: str = ""


def release_score(
    category: Category, expected: Sequence[str | int], responses: Sequence[str]
) -> ReleaseScore:
    """Score one category.

    Args:
        expected: answers of the records, in the order of the file.
        responses: what the model said, in the same order.
    """
    if category == "depth":
        return ReleaseScore(None, stopped="the release has no script for depth")
    if not responses:
        return ReleaseScore(None, stopped="there are no questions, the script divides by zero")
    if category == "counting":
        return _counting([int(value) for value in expected], responses)
    found = [str(answer) in text for answer, text in zip(expected, responses, strict=True)]
    if category == "positional":
        return _of(sum(found), len(found))
    if len(found) % 2:
        return ReleaseScore(
            None, stopped=f"{len(found)} records are no pairs, the script ends with an error"
        )
    pairs = [(found[k], found[k + 1]) for k in range(0, len(found), 2)]
    if category == "existence":
        return _of(sum(first and second for first, second in pairs), len(pairs))
    points = sum(first + second + (first and second) for first, second in pairs)
    return _of(points, 3 * len(pairs))


def _of(points: int, full: int) -> ReleaseScore:
    return ReleaseScore(100 * points / full, points, full)


def _counting(expected: Sequence[int], responses: Sequence[str]) -> ReleaseScore:
    errors = []
    for number, (answer, text) in enumerate(zip(expected, responses, strict=True)):
        try:
            count = int(text)
        except ValueError:
            return ReleaseScore(
                None,
                stopped=f"the response {text!r} to record {number} is no integer, the script ends"
                " with an error",
            )
        if answer == 0:
            return ReleaseScore(
                None, stopped=f"record {number} counts 0, the script divides by zero"
            )
        errors.append(abs(count - answer) / answer * 100)
    return ReleaseScore(100 - sum(errors) / len(errors))

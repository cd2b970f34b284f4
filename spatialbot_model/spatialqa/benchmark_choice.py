"""Chooses questions so that neither a word nor a picture gives answers away."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from spatialbot_model.spatialqa.benchmark_candidates import Candidate

_PICTURE_WEIGHT = 2


def choose(candidates: Sequence[Candidate], num: int, rng: np.random.Generator) -> list[Candidate]:
    """Up to `num` candidates whose traits sum up to as little as possible, one after the other.

    Each pick adds least to the sum of squares over all traits, a picture being one of them. So
    words occur as often with one answer as with the other, and questions spread over pictures.
    About one picture no two are taken that are the same but for the order of names.
    """
    left = [candidates[index] for index in rng.permutation(len(candidates))]
    totals: Counter[str] = Counter()
    taken: set[tuple[str, tuple[str, ...]]] = set()
    chosen: list[Candidate] = []
    while left and len(chosen) < num:
        best = min(left, key=lambda candidate: _cost(candidate, totals))
        left.remove(best)
        asked = {(best.picture, _words(question)) for question, _ in best.records}
        if asked & taken:
            continue
        taken |= asked
        chosen.append(best)
        for name, value in _traits(best):
            totals[name] += value
    return sorted(chosen, key=lambda candidate: (candidate.picture, candidate.records))


def _cost(candidate: Candidate, totals: Counter[str]) -> int:
    """By how much the sum of squares grows."""
    return sum(2 * totals[name] * value + value * value for name, value in _traits(candidate))


def _traits(candidate: Candidate) -> list[tuple[str, int]]:
    return [*candidate.traits.items(), (f"picture {candidate.picture}", _PICTURE_WEIGHT)]


def _words(question: str) -> tuple[str, ...]:
    return tuple(sorted(question.replace("?", "").split()))

"""Paired comparisons, against published numbers and by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.evaluation.comparison import (
    compare_outcomes,
    pair_trials,
    paired_interval,
    sequential_test,
)

outcomes_of = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def trial(seed: int, success: bool, task: str = "pick_place") -> Trial:
    return Trial(task, task, seed, "", "do it", success, "", "", "finished", 10)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        # Newcombe 1998, table II, method 10
        ((36, 12, 2, 0), (0.0569, 0.3404)),
        ((1, 97, 2, 0), (0.8505, 0.9826)),
    ],
)
def test_intervals_are_newcombes(counts: tuple[int, ...], expected: tuple[float, float]) -> None:
    assert paired_interval(*counts) == pytest.approx(expected, abs=1e-4)


@given(outcomes_of)
def test_exchanging_the_two_mirrors_everything(outcomes: list[tuple[bool, bool]]) -> None:
    one = compare_outcomes(outcomes)
    other = compare_outcomes([(b, a) for a, b in outcomes])
    assert other.difference == -one.difference
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.p_value == pytest.approx(one.p_value)
    assert other.sequential.log10_e_value == pytest.approx(one.sequential.log10_e_value)
    names = {"a is better": "b is better", "b is better": "a is better"}
    assert other.sequential.decision == names.get(one.sequential.decision, "undecided")


@given(outcomes_of)
def test_counts_add_up_and_the_difference_lies_in_its_interval(
    outcomes: list[tuple[bool, bool]],
) -> None:
    found = compare_outcomes(outcomes)
    assert found.both + found.only_a + found.only_b + found.neither == found.n == len(outcomes)
    assert -1.0 - 1e-9 <= found.low <= found.difference <= found.high <= 1.0 + 1e-9
    assert 0.0 <= found.p_value <= 1.0


def test_mcnemar_is_exact() -> None:
    outcomes = [(True, False)] * 9 + [(False, True)] + [(True, True)] * 30
    assert compare_outcomes(outcomes).p_value == pytest.approx(2 * 11 / 1024)
    assert compare_outcomes([(True, True)] * 5).p_value == 1.0


def test_a_clear_winner_is_found_early_and_concordant_pairs_do_not_count() -> None:
    outcomes = [(True, True), (True, False), (False, False)] * 20
    found = sequential_test(outcomes)
    assert found.decision == "a is better"
    # seven wins in a row, of which each comes with two pairs that say nothing
    assert found.decided_after == 3 * 7 - 1
    assert sequential_test([(True, True)] * 50).log10_e_value == 0.0


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_looking_after_every_pair_rarely_misleads(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs, alpha = 300, 0.05
    wrong = 0
    for _ in range(runs):
        flips = rng.random(120) < 0.5
        wrong += sequential_test([(bool(f), not f) for f in flips], alpha).decision != "undecided"
    # four standard deviations above the promised risk
    assert wrong / runs < alpha + 4 * np.sqrt(alpha * (1 - alpha) / runs)


def test_trials_are_paired_by_scene() -> None:
    a = [trial(2, True), trial(1, False), trial(9, True)]
    b = [trial(1, True), trial(2, False), trial(2, True, "pick_place_color")]
    assert [(x.seed, y.seed) for x, y in pair_trials(a, b)] == [(1, 1), (2, 2)]
    with pytest.raises(ConfigurationError, match="no scene in common"):
        pair_trials(a[2:], b)
    with pytest.raises(ConfigurationError, match="no scenes"):
        compare_outcomes([])

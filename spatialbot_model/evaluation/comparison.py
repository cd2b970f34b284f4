"""Two policies on the same scenes: how much better is one, and may one stop looking?

Pairs in which both succeed or both fail say nothing about who is better; all tests look at the
others, the discordant pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import betaln
from scipy.stats import binomtest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.trial import Trial
from spatialbot_model.evaluation.statistics import success_rate

Decision = Literal["a is better", "b is better", "undecided"]


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """A bet against "neither is better", over the pairs in the order in which they came.

    Attributes:
        log10_e_value: wealth at the end of a bettor who began with 1, as a power of ten.
        log10_highest_e_value: the highest it ever was.
        decided_after: pairs, concordant ones included, until it had reached 1 / alpha; None when
            it never did.
        decision: may be taken at any time, also when one has looked after every pair.
    """

    log10_e_value: float
    log10_highest_e_value: float
    decided_after: int | None
    decision: Decision


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies on n scenes.

    Attributes:
        n: pairs.
        both, only_a, only_b, neither: how often who succeeded.
        difference: success rate of a minus that of b.
        low, high: interval of the difference, Newcombe's for paired proportions.
        p_value: exact two-sided McNemar test; for a number of pairs fixed beforehand.
        sequential: for looking as often as one likes.
    """

    n: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    p_value: float
    sequential: SequentialTest


def compare_outcomes(outcomes: Sequence[tuple[bool, bool]], alpha: float = 0.05) -> Comparison:
    """Compare two policies.

    Args:
        outcomes: (a succeeded, b succeeded) of each scene, in the order in which they came.
        alpha: of the sequential test; the interval has the confidence 1 - alpha.

    Raises:
        ConfigurationError: no pair, or alpha outside (0, 1).
    """
    if not outcomes:
        raise ConfigurationError("there are no scenes that both were tried on")
    if not 0.0 < alpha < 1.0:
        raise ConfigurationError(f"alpha is {alpha}, expected between 0 and 1")
    both = sum(a and b for a, b in outcomes)
    only_a = sum(a and not b for a, b in outcomes)
    only_b = sum(b and not a for a, b in outcomes)
    neither = len(outcomes) - both - only_a - only_b
    low, high = paired_interval(both, only_a, only_b, neither, 1.0 - alpha)
    discordant = only_a + only_b
    return Comparison(
        n=len(outcomes),
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=neither,
        difference=(only_a - only_b) / len(outcomes),
        low=low,
        high=high,
        p_value=float(binomtest(only_a, discordant).pvalue) if discordant else 1.0,
        sequential=sequential_test(outcomes, alpha),
    )


def paired_interval(
    both: int, only_a: int, only_b: int, neither: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a difference of paired proportions, good down to small n.

    Newcombe, Statistics in Medicine 17 (1998), 2635-2650, method 10: Wilson's intervals of both
    proportions, put together with their correlation.
    """
    n = both + only_a + only_b + neither
    a = success_rate(both + only_a, n, confidence)
    b = success_rate(both + only_b, n, confidence)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    covariance = float(both * neither - only_a * only_b)
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / math.sqrt(margins) if margins else 0.0
    down_a, up_a, down_b, up_b = a.rate - a.low, a.high - a.rate, b.rate - b.low, b.high - b.rate
    below = math.sqrt(max(0.0, down_a**2 - 2 * phi * down_a * up_b + up_b**2))
    above = math.sqrt(max(0.0, up_a**2 - 2 * phi * up_a * down_b + down_b**2))
    return a.rate - b.rate - below, a.rate - b.rate + above


def sequential_test(
    outcomes: Sequence[tuple[bool, bool]], alpha: float = 0.05, prior: float = 0.5
) -> SequentialTest:
    """Test "of discordant pairs, half go to either" by betting on each of them in turn.

    The bettor's wealth after x of k discordant pairs for a is ``2^k B(x + c, k - x + c) / B(c, c)``
    with c = `prior`: it mixes all constant bets with a Beta(c, c) prior. Under the hypothesis it
    is a martingale from 1, so it ever reaches 1 / alpha with a probability of at most alpha
    (Ville's inequality): one may look after every pair and stop.
    """
    wins_a = wins_b = 0
    log_wealth = highest = 0.0
    decided_after: int | None = None
    decision: Decision = "undecided"
    for number, (a, b) in enumerate(outcomes, 1):
        if a == b:
            continue
        wins_a, wins_b = wins_a + a, wins_b + b
        log_wealth = (wins_a + wins_b) * math.log(2.0) + float(
            betaln(wins_a + prior, wins_b + prior) - betaln(prior, prior)
        )
        highest = max(highest, log_wealth)
        if decided_after is None and log_wealth >= -math.log(alpha):
            decided_after = number
            decision = "a is better" if wins_a > wins_b else "b is better"
    scale = math.log(10.0)
    return SequentialTest(log_wealth / scale, highest / scale, decided_after, decision)


def pair_trials(a: Sequence[Trial], b: Sequence[Trial]) -> list[tuple[Trial, Trial]]:
    """Trials of the same scenes, in the order of seeds, the families mixed.

    Raises:
        ConfigurationError: there is no such pair.
    """
    of_b = {trial.scene: trial for trial in b}
    pairs = [(trial, of_b[trial.scene]) for trial in a if trial.scene in of_b]
    if not pairs:
        raise ConfigurationError(
            "the two evaluations have no scene in common; run both with the same --families,"
            " --episodes and --seed"
        )
    return sorted(pairs, key=lambda pair: (pair[0].seed, pair[0].task))

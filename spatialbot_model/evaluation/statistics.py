"""Success rates with honest intervals."""

from dataclasses import dataclass

from scipy.stats import binomtest

from spatialbot_model.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """Successes of n trials with the Wilson 95 % interval of the success probability."""

    successes: int
    n: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Share of successes."""
        return self.successes / self.n

    def __str__(self) -> str:
        return (
            f"{self.successes}/{self.n} = {self.rate:.0%}"
            f" (95 % interval {self.low:.0%} to {self.high:.0%})"
        )


def success_rate(successes: int, n: int, confidence: float = 0.95) -> SuccessRate:
    """Wilson score interval (E. B. Wilson, JASA 1927), good down to small n.

    Raises:
        ConfigurationError: n is not positive or successes lie outside 0..n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ConfigurationError(f"{successes} successes of {n} trials is not a success rate")
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return SuccessRate(successes, n, float(interval.low), float(interval.high))

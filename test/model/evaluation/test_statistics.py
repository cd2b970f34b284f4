"""Wilson intervals against published values."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.statistics import success_rate


def test_wilson_interval_of_388_in_400() -> None:
    rate = success_rate(388, 400)
    assert rate.rate == pytest.approx(0.97)
    assert (rate.low, rate.high) == pytest.approx((0.948, 0.983), abs=5e-4)


def test_interval_of_all_successes_excludes_certainty() -> None:
    rate = success_rate(20, 20)
    assert rate.low == pytest.approx(0.839, abs=1e-3)
    assert rate.high == 1.0
    assert "20/20" in str(rate)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ConfigurationError):
        success_rate(successes, n)

"""config/safety.yaml and what a safety file may not do."""

import pytest

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.configuration import load_safety_limits
from spatialbot_ros.safety_limits import HARD_LIMITS, SafetyLimits

GOOD = {name: getattr(SafetyLimits(), name) for name in HARD_LIMITS} | {"keep_out": []}


def test_the_shipped_file_holds_the_defaults():
    assert load_safety_limits() == SafetyLimits()


@pytest.mark.parametrize("name", HARD_LIMITS)
def test_no_file_goes_beyond_the_hard_limits(name):
    low, high = HARD_LIMITS[name]
    for value in (high * 1.01, low - 0.001, float("nan"), float("inf"), "0.1", True, None):
        with pytest.raises(ConfigurationError, match=name):
            SafetyLimits.from_mapping(GOOD | {name: value})


def test_every_limit_must_be_there_and_no_other():
    with pytest.raises(ConfigurationError, match="max_lead_m"):
        SafetyLimits.from_mapping({k: v for k, v in GOOD.items() if k != "max_lead_m"})
    with pytest.raises(ConfigurationError, match="max_spede"):
        SafetyLimits.from_mapping(GOOD | {"max_spede": 1.0})
    with pytest.raises(ConfigurationError, match="mapping"):
        SafetyLimits.from_mapping([1, 2])


def test_a_speed_factor_slows_steps_and_speeds_only():
    slow = SafetyLimits().scaled(0.5)
    assert slow.max_speed_m_s == pytest.approx(0.175)
    assert slow.max_step_translation_m == pytest.approx(0.0175)
    assert slow.max_lead_m == SafetyLimits().max_lead_m
    for factor in (0.0, -1.0, 1.5):
        with pytest.raises(ConfigurationError, match="speed factor"):
            SafetyLimits().scaled(factor)

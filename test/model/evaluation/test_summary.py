"""Summaries and reports of trials."""

from dataclasses import replace

import pytest

from spatialbot_model.contracts.trial import Trial
from spatialbot_model.evaluation.report import markdown_report
from spatialbot_model.evaluation.summary import summarise_trials

GOOD = Trial(
    "t", "basic", 1, "", "do it", True, "", "", "finished", 50, right_object=True,
    right_destination=True, placement_error_mm=4.0, jerk_m_s3=2.0, policy_ms=10.0,
)  # fmt: skip
MISSED = replace(
    GOOD, seed=2, novelty="object", success=False, failure="missed grasp", ending="time-out",
    steps=200, right_object=None, right_destination=None, placement_error_mm=200.0,
)  # fmt: skip
WRONG = replace(MISSED, seed=3, family="size", failure="wrong object", right_object=False)


def test_rates_are_over_the_trials_that_have_them() -> None:
    summary = summarise_trials([GOOD, MISSED, WRONG])
    total = summary["all"]
    assert (total["success"]["successes"], total["success"]["n"]) == (1, 3)
    assert (total["right_object"]["successes"], total["right_object"]["n"]) == (1, 2)
    assert (total["right_destination"]["successes"], total["right_destination"]["n"]) == (1, 1)
    assert total["failures"] == {"wrong object": 1, "missed grasp": 1}
    assert total["placement_error_mm"] == 4.0
    assert total["steps"] == 150.0
    assert total["action_rate_hz"] is None
    # Wilson for 1 of 3
    assert total["success"]["low"] == pytest.approx(0.0615, abs=1e-3)
    assert total["success"]["high"] == pytest.approx(0.7923, abs=1e-3)


def test_groups_are_families_and_novelties() -> None:
    summary = summarise_trials([GOOD, MISSED, WRONG])
    assert {name: f["n"] for name, f in summary["families"].items()} == {"basic": 2, "size": 1}
    assert {n: f["n"] for n, f in summary["novelty"].items()} == {"as in training": 1, "object": 2}
    assert set(summary["families_novelty"]) == {
        "basic, as in training", "basic, object", "size, object",
    }  # fmt: skip


def test_the_report_tells_rates_failures_and_conditions() -> None:
    report = markdown_report({"policy": "local"}, summarise_trials([GOOD, MISSED, WRONG]))
    assert "| all | 1/3 = 33.3 % (6.1 to 79.2) |" in report
    assert "| family | n | wrong object | missed grasp |" in report
    assert "| policy | `local` |" in report
    assert "the scene's own instruction" not in report
    other = [replace(trial, original_success=True) for trial in (GOOD, MISSED)]
    report = markdown_report({}, summarise_trials(other))
    assert "did what the scene's own instruction asks" in report
    assert "| all | 1/2 = 50.0 % (9.5 to 90.5) |" in report and "| 2/2 = 100.0 %" in report

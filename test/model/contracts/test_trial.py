"""Trials: the classes of failures, and their way through JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.trial import (
    FAILURE_CLASSES,
    Trial,
    TrialFacts,
    failure_class,
)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (TrialFacts(True, "finished", tried=True, target_lifted=True), ""),
        (TrialFacts(True, "time-out", target_lifted=True, other_lifted=True), ""),
        (TrialFacts(False, "collision", target_lifted=True, target_held=True), "collision"),
        (TrialFacts(False, "no answer"), "no answer"),
        (TrialFacts(False, "fault", other_lifted=True), "fault"),
        (TrialFacts(False, "time-out", tried=True, other_lifted=True), "wrong object"),
        (TrialFacts(False, "lost", tried=True), "dropped"),
        (TrialFacts(False, "time-out"), "time-out"),
        (TrialFacts(False, "time-out", tried=True), "missed grasp"),
        (TrialFacts(False, "time-out", tried=True, target_held=True), "time-out"),
        (TrialFacts(False, "finished"), "missed grasp"),
        (TrialFacts(False, "lost", tried=True, target_lifted=True), "dropped"),
        (TrialFacts(False, "finished", target_lifted=True, target_slipped=True), "dropped"),
        (TrialFacts(False, "time-out", target_lifted=True, target_held=True), "time-out"),
        (
            TrialFacts(
                False, "time-out", target_lifted=True, target_held=True, target_slipped=True
            ),
            "time-out",
        ),
        (TrialFacts(False, "finished", target_lifted=True, target_held=True), "wrong place"),
        (TrialFacts(False, "finished", target_lifted=True), "wrong place"),
        (TrialFacts(False, "time-out", target_lifted=True, other_lifted=True), "wrong place"),
    ],
)
def test_failures_are_classed(facts: TrialFacts, expected: str) -> None:
    assert failure_class(facts) == expected


@given(
    st.builds(
        TrialFacts,
        success=st.just(False),
        ending=st.sampled_from(["finished", "time-out", "collision", "lost", "no answer", "fault"]),
    )
)
def test_every_failure_has_a_class(facts: TrialFacts) -> None:
    assert failure_class(facts) in FAILURE_CLASSES


def test_a_trial_goes_through_json() -> None:
    trial = Trial(
        "pick_place", "basic", 1_000_003, "object", "pick it up", False, "dropped", "it fell",
        "time-out", 200, right_object=True, jerk_m_s3=2.5,
    )  # fmt: skip
    assert Trial.from_mapping(json.loads(json.dumps(trial.to_mapping()))) == trial
    assert trial.scene == ("pick_place", 1_000_003)


def test_foreign_records_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no trial of this version"):
        Trial.from_mapping({"task": "pick_place", "colour": "red"})

"""How a run with an injected fault is judged."""

import numpy as np
import pytest

from spatialbot_ros.fault_trace import FaultTrace, judge, summarise


def trace(**changes) -> FaultTrace:
    """A fault from 10 s to 12 s during which the arm comes to rest after 0.4 s."""
    poses = []
    for tick in range(110):
        t = 10.0 + 0.02 * tick
        poses.append((t, np.array([min(0.1 * (t - 10.0), 0.04), 0.0, 0.2])))
    made = FaultTrace("frozen", 2.0, 10.0, 12.0, 10.07, "camera_frozen", 12.07, poses)
    made.actions = [(10.05, 9.9), (12.1, 12.07)]
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_figures_of_a_fault_that_is_seen_and_held() -> None:
    figures = judge(trace())
    assert figures.detection_s == pytest.approx(0.07)
    assert figures.rest_s == pytest.approx(0.38, abs=0.03)
    assert figures.coasted_m == pytest.approx(0.04)
    assert figures.moved_m < 1e-9
    assert figures.blind_actions == 0
    assert figures.recovery_s == pytest.approx(0.07)
    assert figures.resumption_s == pytest.approx(0.03)


def test_motion_and_actions_during_the_fault_are_found() -> None:
    poses = [(10.0 + 0.02 * n, np.array([0.001 * n, 0.0, 0.2])) for n in range(100)]
    figures = judge(trace(poses=poses, actions=[(10.5, 10.2), (11.0, 10.9)]))
    assert figures.moved_m == pytest.approx(0.059, abs=0.002)
    assert figures.rest_s > 1.9
    assert figures.blind_actions == 2
    assert figures.resumption_s is None


@pytest.mark.parametrize(
    "changes", [{"told_s": None}, {"onset_s": None}, {"good_s": None}, {"good_s": 11.0}]
)
def test_a_fault_that_was_not_told_or_is_not_over_has_no_figures(changes) -> None:
    assert judge(trace(**changes)) is None


def test_the_summary_has_a_row_per_fault() -> None:
    one, two = judge(trace()), judge(trace(told_s=10.27))
    row = summarise([one, two])["frozen"]
    assert row["n"] == 2
    assert row["detection_median_ms"] == pytest.approx(170.0)
    assert row["detection_max_ms"] == pytest.approx(270.0)
    assert row["resumed"] == 2

"""What is told of the suite: ages, rates, shares, silence."""

import json

import pytest

from spatialbot_ros.suite_status import (
    PARTS,
    ArmStatus,
    EventStatus,
    Level,
    StepStatus,
    SuiteStatus,
)

ARM = ArmStatus("running", "follows actions", (0.4, 0.0, 0.2), 0.001, 12.0, 0, 3, ())


def step(acted: bool = True, policy_ms: float = 40.0) -> StepStatus:
    return StepStatus("classical", "take it", "text", "reach", acted, {"policy": policy_ms})


def test_nothing_heard_is_an_error_and_names_every_part() -> None:
    report = SuiteStatus().report(0.0)
    assert (report.level, report.missing) == (Level.ERROR, PARTS)


def test_nodes_are_told_in_the_order_of_the_data_and_the_worst_level_counts() -> None:
    status = SuiteStatus()
    status.on_part("executor: arm", 0, "idle", {"a": "1"}, 1.0)
    status.on_part("viewer: x", 0, "fine", {}, 1.0)
    status.on_part("camera: frames", 1, "slow", {}, 1.0)
    report = status.report(2.0)
    assert [p.name for p in report.parts] == ["camera: frames", "executor: arm", "viewer: x"]
    assert report.parts[1].values == {"a": "1"}
    assert report.level is Level.WARN
    assert "executor" not in report.missing
    assert "recorder" in report.missing


def test_a_node_that_falls_silent_is_an_error_with_its_last_words() -> None:
    status = SuiteStatus()
    status.on_part("camera: frames", 0, "streaming", {}, 1.0)
    assert status.report(4.0).level is Level.OK
    silent = status.report(9.0)
    assert silent.level is Level.ERROR
    assert silent.parts[0].level is Level.STALE
    assert silent.parts[0].message == "silent for 8 s; it last said: streaming"
    status.on_part("camera: frames", 0, "streaming", {}, 9.5)
    assert status.report(10.0).level is Level.OK


def test_rates_shares_and_medians() -> None:
    status = SuiteStatus()
    for number in range(101):
        status.on_arm(ARM, number * 0.02)
    for number, (acted, ms) in enumerate([(True, 10.0), (False, 30.0), (True, 50.0), (True, 20.0)]):
        status.on_step(step(acted, ms), 1.0 + 0.1 * number)
    report = status.report(2.0)
    assert report.arm.rate_hz == pytest.approx(50.0)
    assert report.arm.age_s == pytest.approx(0.0)
    assert report.policy.rate_hz == pytest.approx(10.0)
    assert report.policy.acted_share == 0.75
    assert report.policy.latencies_ms == {"policy": 25.0}
    assert report.policy.age_s == pytest.approx(0.7)
    assert status.report(60.0).policy.rate_hz == 0.0


def test_the_newest_events_come_first_and_old_ones_are_dropped() -> None:
    status = SuiteStatus()
    for number in range(20):
        status.on_event(EventStatus(f"e{number}", "refused", "policy", "x"), float(number))
    events = status.report(20.0).events
    assert [event.name for event in events[:2]] == ["e19", "e18"]
    assert [event.age_s for event in events[:2]] == [1.0, 2.0]
    assert len(events) == 8


def test_the_mapping_is_json_with_levels_by_name() -> None:
    status = SuiteStatus()
    status.on_part("camera: frames", 2, "gone", {"rate [Hz]": "0"}, 1.0)
    status.on_arm(ARM, 1.0)
    status.on_step(step(), 1.0)
    told = json.loads(json.dumps(status.report(1.0).to_mapping()))
    assert told["level"] == "error"
    assert told["nodes"]["camera: frames"]["values"] == {"rate [Hz]": "0"}
    assert told["nodes"]["camera: frames"]["level"] == "error"
    assert told["arm"]["state"] == "running"
    assert told["policy"]["instruction"] == "take it"
    assert told["policy"]["acted_share"] == 1.0

"""A person's actions override all others, and the policy goes on where the arm was left."""

import numpy as np
import pytest
from executor_bench import Bench

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.safety_records import Severity


@pytest.fixture
def bench():
    return Bench().connect()


def teleop(bench, translation_m=(0, 0, 0), sequence=1, **changes):
    return bench.act(translation_m, source="teleop", sequence=sequence, **changes)


def test_a_person_overrides_the_policy_and_the_policy_goes_on_where_the_arm_was_left(bench):
    bench.run([(0.012, 0, 0)] * 3)
    acknowledged = bench.executor.last_sequence
    (begin,) = teleop(bench, (0, 0.012, 0))
    assert (begin.name, begin.severity, begin.source) == (
        "intervention_begin",
        Severity.NOTE,
        "teleop",
    )
    assert bench.state is State.TELEOP and bench.executor.detail.startswith("intervention: ")
    # a policy waits for its own numbers
    assert bench.executor.last_sequence == acknowledged
    target_m = bench.executor.T_base_target[:3, 3]
    (refusal,) = bench.act((0.03, 0, 0))
    assert (refusal.name, refusal.severity) == ("overridden", Severity.REFUSED)
    assert bench.executor.last_sequence == bench.sequence
    np.testing.assert_array_equal(bench.executor.T_base_target[:3, 3], target_m)
    for number in range(2, 8):
        bench.tick(5)
        assert teleop(bench, (0, 0.012, 0), number) == ()
        bench.act((0.03, 0, 0))
    records = [r for _ in range(60) for r in bench.tick().records]
    assert [r.name for r in records] == ["intervention_end"]
    assert bench.state is State.HOLD
    left_m = bench.position_m
    assert left_m[1] == pytest.approx(7 * 0.012, abs=0.001)
    assert bench.act((0.012, 0, 0)) == ()
    assert bench.state is State.RUNNING
    np.testing.assert_allclose(
        bench.executor.T_base_target[:3, 3], left_m + np.array([0.012, 0, 0]), atol=1e-9
    )


def test_the_hold_off_is_robot_time_after_the_last_action_of_a_person(bench):
    teleop(bench)
    bench.tick(45)
    assert bench.act((0.012, 0, 0))[0].name == "overridden"
    teleop(bench, sequence=2)
    bench.tick(45)
    assert bench.act((0.012, 0, 0))[0].name == "overridden"
    for _ in range(100):
        bench.executor.step(bench.arm.read_state())
    assert bench.state is State.TELEOP
    bench.tick(10)
    assert bench.state is State.HOLD
    assert bench.act((0.012, 0, 0)) == ()


def test_a_person_whose_action_is_refused_still_has_the_arm(bench):
    bench.run([(0.012, 0, 0)] * 3)
    names = [r.name for r in teleop(bench, action_spec_id="other")]
    assert names == ["intervention_begin", "action_spec"]
    assert bench.state is State.TELEOP
    assert bench.act((0.012, 0, 0))[0].name == "overridden"


@pytest.mark.parametrize("end", ["stop", "fault", "disconnect", "home"])
def test_what_ends_all_motion_ends_an_intervention(bench, end):
    teleop(bench, (0.012, 0, 0))
    bench.tick()
    executor = bench.executor
    if end == "stop":
        executor.stop("test")
    elif end == "fault":
        executor.fault("test")
    elif end == "home":
        assert executor.begin_homing().success
    else:
        executor.disconnected("cable")
        executor.connected(bench.arm.read_state())
    assert next(r.name for r in bench.tick().records) == "intervention_end"
    assert teleop(bench, sequence=2)[0].name == "not_ready"
    assert bench.state in (State.STOPPED, State.FAULT, State.HOMING)
    # the next contact begins another one
    if end == "stop":
        executor.resume()
        assert teleop(bench, sequence=3)[0].name == "intervention_begin"


def test_a_hold_off_shorter_than_the_pauses_between_actions_is_refused():
    with pytest.raises(ConfigurationError, match="teleop_hold_off_s"):
        ExecutorConfig(teleop_hold_off_s=0.1)

"""The gate between policy and simulation time."""

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim.pacing import PolicyLagGate

S = 1_000_000_000


def test_without_actions_the_gate_is_open() -> None:
    gate = PolicyLagGate(0.2)
    assert gate.may_advance(100 * S, wall_s=5.0)


def test_time_runs_up_to_the_limit_ahead_of_the_observation() -> None:
    gate = PolicyLagGate(0.2)
    gate.on_action(10 * S, wall_s=0.0)
    assert gate.may_advance(10 * S, 0.01)
    assert gate.may_advance(10 * S + 199_000_000, 0.01)
    assert not gate.may_advance(10 * S + 200_000_000, 0.01)


def test_the_next_action_lets_time_go_on() -> None:
    gate = PolicyLagGate(0.2)
    gate.on_action(10 * S, wall_s=0.0)
    held_at_ns = 10 * S + 200_000_000
    assert not gate.may_advance(held_at_ns, 0.1)
    gate.on_action(10 * S + 100_000_000, wall_s=0.1)
    assert gate.may_advance(held_at_ns, 0.1)


def test_out_of_patience_it_opens_until_the_next_action() -> None:
    gate = PolicyLagGate(0.2, patience_s=0.5)
    gate.on_action(10 * S, wall_s=3.0)
    assert not gate.may_advance(11 * S, 3.49)
    assert gate.may_advance(11 * S, 3.5)
    assert gate.may_advance(50 * S, 99.0)
    gate.on_action(50 * S, wall_s=100.0)
    assert not gate.may_advance(51 * S, 100.1)


def test_repeating_an_old_observation_buys_neither_time_nor_patience() -> None:
    """Otherwise a policy that repeats itself would hold the simulation for ever."""
    gate = PolicyLagGate(0.2, patience_s=0.5)
    gate.on_action(10 * S, wall_s=0.0)
    gate.on_action(9 * S, wall_s=0.4)
    gate.on_action(10 * S, wall_s=0.4)
    assert not gate.may_advance(11 * S, 0.45)
    assert gate.may_advance(11 * S, 0.5)


def test_clear_forgets() -> None:
    gate = PolicyLagGate(0.2)
    gate.on_action(10 * S, wall_s=0.0)
    gate.clear()
    assert gate.may_advance(99 * S, 0.0)
    gate.on_action(5 * S, wall_s=0.0)
    assert not gate.may_advance(6 * S, 0.0)


def test_zero_means_no_limit() -> None:
    gate = PolicyLagGate(0.0)
    gate.on_action(10 * S, wall_s=0.0)
    assert gate.may_advance(1000 * S, 0.0)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_limits_are_checked(value: float) -> None:
    with pytest.raises(ConfigurationError, match="max_lag_s"):
        PolicyLagGate(value)
    with pytest.raises(ConfigurationError, match="patience_s"):
        PolicyLagGate(0.2, patience_s=value)


@given(
    st.lists(st.tuples(st.integers(0, 5 * S), st.floats(0.0, 0.3)), min_size=1, max_size=20),
    st.floats(0.001, 1.0),
)
def test_within_patience_the_lead_is_bounded(
    actions: list[tuple[int, float]], max_lag_s: float
) -> None:
    """Whatever arrives, simulated milliseconds stop within one tick of the limit."""
    gate = PolicyLagGate(max_lag_s, patience_s=1.0)
    time_ns, wall_s, newest_ns = 0, 0.0, -1
    for stamp_ns, wait_s in actions:
        wall_s += wait_s
        gate.on_action(stamp_ns, wall_s)
        newest_ns = max(newest_ns, stamp_ns)
        # jump to just below the newest observation, then tick until held
        time_ns = max(time_ns, newest_ns)
        while gate.may_advance(time_ns, wall_s) and time_ns < newest_ns + 2 * S:
            time_ns += 1_000_000
        if gate.may_advance(time_ns, wall_s):
            return  # an old observation was repeated for longer than the patience
        assert time_ns - newest_ns < max_lag_s * S + 1_000_001


def test_many_threads_leave_the_newest_observation() -> None:
    gate = PolicyLagGate(0.001, patience_s=10.0)
    threads = [
        threading.Thread(
            target=lambda first=first: [gate.on_action(i, 0.0) for i in range(first, 4000, 4)]
        )
        for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gate.may_advance(3999 + 999_999, 0.0)
    assert not gate.may_advance(3999 + 1_000_000, 0.0)

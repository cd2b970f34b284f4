"""Hostile actions through the real executor on franky-sim: the documented small part."""

import pytest
from own_address import own_address

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks.fault_run import run_faults
from spatialbot_ros.benchmarks.faults import run
from spatialbot_ros.benchmarks.hostile_actions import hostile_actions
from spatialbot_ros.configuration import load_action_spec

SPEC = load_action_spec()


def test_the_same_seed_gives_the_same_actions_and_some_are_broken():
    first, again = (list(hostile_actions(300, 3, SPEC)) for _ in range(2))
    assert [m.request.bins for m in first] == [m.request.bins for m in again]
    assert [m.request.sequence for m in first] == list(range(1, 301))
    assert any(m.broken for m in first)
    assert {m.kind for m in first} >= {"random", "push", "burst", "broken"}


def test_nothing_is_no_run():
    with pytest.raises(ConfigurationError, match="expected at least one"):
        run(actions=0)


def test_hostile_actions_break_no_limit_and_all_are_accounted_for():
    account = run_faults(own_address(), 60, 11)
    assert account.sent == 60 and account.unanswered == 0
    assert account.broken_followed == 0
    assert account.lost_connections == 0 and account.faults == 0
    limits = dict(account.limits.violations)
    assert account.limits.num_ticks > 1000
    # how far the tool overshoots a wall depends on load: see docs/benchmarks/faults.md
    limits.pop("workspace")
    assert account.limits.peaks["workspace"] < 0.04
    assert not any(limits.values()), limits

"""Hostile actions through the real executor on franky-sim: the documented small part."""

import json
from collections import Counter

import pytest
from own_address import own_address

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.benchmarks import fault_run
from spatialbot_ros.benchmarks.fault_run import FaultAccount, run_faults
from spatialbot_ros.benchmarks.faults import run
from spatialbot_ros.benchmarks.hostile_actions import hostile_actions
from spatialbot_ros.configuration import load_action_spec
from spatialbot_ros.limit_checker import LimitReport
from spatialbot_sim.tick_log import read_tick_log

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


def test_hostile_actions_break_no_limit_and_all_are_accounted_for(tmp_path):
    account = run_faults(own_address(), 60, 11, tmp_path)
    assert account.sent == 60 and account.unanswered == 0
    assert account.broken_followed == 0
    assert account.lost_connections == 0 and account.faults == 0
    limits = dict(account.limits.violations)
    assert account.limits.num_ticks > 1000
    assert not any(limits.values()), limits
    assert FaultAccount.from_mapping(json.loads(json.dumps(account.to_mapping()))) == account
    assert list(tmp_path.iterdir()) == []


def test_what_broke_a_limit_is_kept(tmp_path, monkeypatch):
    broken = LimitReport(1000, 0, {"workspace": 1}, {"workspace": 0.01})
    monkeypatch.setattr(fault_run, "judge_log", lambda *_: broken)
    run_faults(own_address(), 15, 12, tmp_path)
    assert len(read_tick_log(tmp_path / "seed12.ticks")) > 500
    records = json.loads((tmp_path / "seed12.json").read_text())
    assert records and {"name", "detail", "robot_time_s"} <= set(records[0])


def test_what_is_finished_is_not_run_again(tmp_path):
    def piece(number_sent):
        limits = LimitReport(1000, 0, {"joint_speed": 0}, {"joint_speed": 0.5})
        account = FaultAccount(number_sent, events=Counter(lead=2), limits=limits, wall_s=10.0)
        return json.dumps(account.to_mapping()) + "\n"

    (tmp_path / "faults_seed7.jsonl").write_text(piece(500) + piece(100))
    result = run(600, 7, address="203.0.113.1", output=str(tmp_path))
    assert result.n == 600 and result.figures["limit_violations"] == 0
    assert result.figures["event_lead"] == 4
    with pytest.raises(ConfigurationError, match="another run"):
        run(550, 7, address="203.0.113.1", output=str(tmp_path))

"""When holding ends an instruction, and what is said then."""

import pytest

from spatialbot_ros.policy_endurance import Endurance
from spatialbot_ros.policy_watch import FAULT_NAMES, PolicyFault

COUNTED = {
    *{"policy_garbage", "policy_not_finite", "policy_stamp", "policy_jump", "policy_oscillates"},
    *{"gripper_oscillates", "policy_defect", "policy_silent"},
}


def begun(max_refused: int = 3, outage_s: float = 10.0) -> Endurance:
    endurance = Endurance(max_refused, outage_s)
    endurance.begin(100.0)
    return endurance


@pytest.mark.parametrize("name", FAULT_NAMES)
def test_each_fault_ends_by_number_or_by_time(name: str) -> None:
    endurance = begun()
    fault = PolicyFault(name, "why")
    assert endurance.held(fault, 101.0) == ""
    assert endurance.held(fault, 102.0) == ""
    third = endurance.held(fault, 103.0)
    assert bool(third) == (name in COUNTED)
    assert "why" in endurance.held(fault, 110.5)


def test_the_reason_says_what_was_wrong() -> None:
    endurance = begun(max_refused=1)
    assert endurance.held(PolicyFault("policy_garbage", "xyz"), 100.0).startswith("1 unreadable")
    assert "last policy_jump: xyz" in endurance.held(PolicyFault("policy_jump", "xyz"), 100.0)
    slow = PolicyFault("policy_slow", "no answer")
    assert endurance.is_silence(slow)
    assert endurance.held(slow, 111.0) == "the policy has been silent for 11.0 s: no answer"
    skew = PolicyFault("clock_skew", "ahead")
    assert not endurance.is_silence(skew)
    assert endurance.held(skew, 111.0).startswith("nothing could be executed for 11.0 s")


def test_an_answer_that_is_carried_out_begins_anew() -> None:
    endurance = begun(max_refused=2)
    fault = PolicyFault("policy_garbage", "")
    for now_s in (101.0, 109.0, 118.0):
        assert endurance.held(fault, now_s) == ""
        endurance.begin(now_s)

"""What is taken from a policy and what is not, fault by fault."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import (
    NUM_BINS,
    ZERO_BIN,
    DeltaAction,
    format_action_text,
    parse_action_text,
)
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ActionParseError
from spatialbot_ros.policy_watch import FAULT_NAMES, PolicyFault, PolicyWatch, WatchLimits

SPEC = ActionSpec()
LIMITS = WatchLimits(max_age_s=0.9, max_future_s=0.2)
S = 1_000_000_000
NOW_NS = 100 * S


def name_of(fault: PolicyFault | None) -> str:
    return "" if fault is None else fault.name


def move(x_m: float, closed: bool = False, yaw_rad: float = 0.0) -> DeltaAction:
    return DeltaAction.from_values([x_m, 0, 0], [0, 0, yaw_rad], closed, SPEC)


@pytest.fixture
def watch() -> PolicyWatch:
    watch = PolicyWatch(LIMITS)
    watch.begin()
    return watch


@pytest.mark.parametrize(
    ("age_s", "expected"),
    [
        (0.0, ""),
        (0.899, ""),
        (-0.199, ""),
        (0.901, "stale_observation"),
        (3600.0, "stale_observation"),
        (-0.201, "clock_skew"),
        (-3600.0, "clock_skew"),
    ],
)
def test_images_of_another_time_are_not_asked_about(
    watch: PolicyWatch, age_s: float, expected: str
) -> None:
    fault = watch.observation(NOW_NS - round(age_s * S), NOW_NS)
    assert name_of(fault) == expected
    assert watch.num_faults == bool(expected)
    if fault is not None:
        assert fault.asked == (pytest.approx(age_s),)


def test_an_answer_is_about_what_was_shown_in_time_and_once(watch: PolicyWatch) -> None:
    shown_ns = [NOW_NS - k * S // 10 for k in range(4)]
    assert watch.answer(shown_ns[0], shown_ns, NOW_NS) is None
    assert watch.answer(shown_ns[3], shown_ns, NOW_NS) is None, "an older frame of its history"
    assert name_of(watch.answer(shown_ns[0] + 1, shown_ns, NOW_NS)) == "policy_stamp"
    assert name_of(watch.answer(0, shown_ns, NOW_NS)) == "policy_stamp"
    assert name_of(watch.answer(shown_ns[0], shown_ns, NOW_NS + S)) == "policy_slow"
    watch.executed(shown_ns[1])
    for replayed_ns in shown_ns[1:]:
        assert name_of(watch.answer(replayed_ns, shown_ns, NOW_NS)) == "policy_stamp"
    assert watch.answer(shown_ns[0], shown_ns, NOW_NS) is None
    # the simulated clock may start again with the next instruction
    watch.begin()
    assert watch.answer(shown_ns[3], shown_ns, NOW_NS) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "policy_garbage"),
        ("I would rather not.", "policy_garbage"),
        ("The robot should <0.5, 0.5>.", "policy_garbage"),
        ("The robot should <banana, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "policy_garbage"),
        ("information about finances", "policy_garbage"),
        ("The robot should <nan, 0.5, 0.5, 0.5, 0.5, 0.5, 1>.", "policy_not_finite"),
        ("The robot should <0.5, -inf, 0.5, 0.5, 0.5, 0.5, 1>.", "policy_not_finite"),
        ("The robot should <0.5, 0.5, Infinity, 0.5, 0.5, 0.5, 1>.", "policy_not_finite"),
        ("The robot should <0.5, 0.5, NaN, 0.5, 0.5, 0.5, 1>.", "policy_not_finite"),
    ],
)
def test_what_the_parser_refuses_has_a_name(watch: PolicyWatch, text: str, expected: str) -> None:
    with pytest.raises(ActionParseError) as refused:
        parse_action_text(text, SPEC)
    assert watch.unreadable(text, refused.value).name == expected
    assert watch.counts[expected] == 1


def test_a_jump_is_refused_unless_the_next_answer_agrees(watch: PolicyWatch) -> None:
    limits = WatchLimits(max_jump_m=0.05)
    watch = PolicyWatch(limits)
    steps_m = [0.03, 0.03, -0.03, 0.03, 0.03, -0.03, -0.03]
    names = [name_of(watch.action(move(x_m))) for x_m in steps_m]
    assert names == ["", "", "policy_jump", "policy_jump", "", "policy_jump", ""]
    assert watch.counts["policy_jump"] == 3


def test_a_jump_of_the_rotation_is_one(watch: PolicyWatch) -> None:
    assert watch.action(move(0.0, yaw_rad=0.15)) is None
    assert name_of(watch.action(move(0.0, yaw_rad=-0.15))) == "policy_jump"


def test_demonstrations_do_not_jump_by_default(watch: PolicyWatch) -> None:
    """A reversal from full speed on one axis is what a careful policy may do at most."""
    assert [watch.action(move(x_m)) for x_m in (0.03, -0.03, -0.03, 0.0)] == [None] * 4


def test_somebody_elses_motion_in_between_is_no_jump(watch: PolicyWatch) -> None:
    spun = DeltaAction((100, 100, 100, 100, 50, 50, 0), SPEC)
    back = DeltaAction((0, 0, 0, 0, 50, 50, 0), SPEC)
    assert watch.action(spun) is None
    watch.restart()
    assert watch.action(back) is None
    assert name_of(watch.action(spun)) == "policy_jump"


def test_turning_back_again_and_again_is_an_oscillation(watch: PolicyWatch) -> None:
    names = [name_of(watch.action(move(0.02 * (-1) ** k))) for k in range(12)]
    assert names[: LIMITS.max_reversals + 1] == [""] * (LIMITS.max_reversals + 1)
    assert set(names[LIMITS.max_reversals + 1 :]) == {"policy_oscillates"}
    # going on in one direction is not held against it
    last = move(0.02 * (-1) ** 11)
    assert watch.action(last) is None


def test_trembling_in_place_and_slow_turns_are_no_oscillation(watch: PolicyWatch) -> None:
    tremble_m = [0.006 * (-1) ** k for k in range(40)]
    to_and_fro_m = [0.02 * (-1) ** (k // 4) for k in range(40)]
    assert all(watch.action(move(x_m)) is None for x_m in (*tremble_m, *to_and_fro_m))


def test_a_gripper_that_flickers_is_refused_where_it_changes(watch: PolicyWatch) -> None:
    names = [name_of(watch.action(move(0.0, closed=k % 2 == 1))) for k in range(9)]
    assert names == ["", "", "", "", "", "", *["gripper_oscillates"] * 3]
    assert watch.action(move(0.0, closed=False)) is None, "it stays as it is"


def test_grasp_release_and_grasp_again_is_work(watch: PolicyWatch) -> None:
    pattern = [False] * 9 + [True] * 9 + [False] * 9 + [True] * 30 + [False] * 9
    assert all(watch.action(move(0.0, closed=closed)) is None for closed in pattern)


def test_every_fault_is_counted_and_named(watch: PolicyWatch) -> None:
    assert set(watch.counts) == set(FAULT_NAMES) and watch.num_faults == 0
    watch.count(PolicyFault("policy_silent", "for ever"))
    watch.observation(0, NOW_NS)
    assert watch.num_faults == 2 == sum(watch.counts.values())
    # an instruction's end does not forget what the node has seen
    watch.begin()
    assert watch.num_faults == 2


bins = st.tuples(*[st.integers(0, NUM_BINS - 1)] * 7)


@given(st.lists(bins, max_size=40))
def test_whatever_comes_each_answer_is_taken_or_accounted_for(answers: list[tuple[int]]) -> None:
    watch = PolicyWatch(LIMITS)
    taken: list[DeltaAction] = []
    refused = 0
    previous = None
    for answer in answers:
        action = parse_action_text(format_action_text(DeltaAction(answer, SPEC)), SPEC)
        assert isinstance(action, DeltaAction)
        fault = watch.action(action)
        if fault is None:
            taken.append(action)
            if previous is not None:
                jump_m = np.linalg.norm(action.translation_m - previous.translation_m)
                assert jump_m <= LIMITS.max_jump_m
        else:
            refused += 1
            assert fault.detail and all(math.isfinite(value) for value in fault.asked)
        previous = action
    assert len(taken) + refused == len(answers)
    assert watch.num_faults == refused


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_stamps_of_any_size_are_judged(stamp_ns: int, now_ns: int) -> None:
    watch = PolicyWatch(LIMITS)
    fault = watch.observation(stamp_ns, now_ns)
    in_time = -LIMITS.max_future_s <= (now_ns - stamp_ns) / S <= LIMITS.max_age_s
    assert (fault is None) == in_time


def test_no_motion_is_never_a_fault(watch: PolicyWatch) -> None:
    still = DeltaAction((ZERO_BIN,) * 6 + (0,), SPEC)
    assert all(watch.action(still) is None for _ in range(50))

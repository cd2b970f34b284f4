"""The safety envelope: what is refused, what is shortened, and what can never happen."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import SafetyError
from spatialbot_model.contracts.transforms import compose, rotation_from_vector, rotation_vector
from spatialbot_ros.safety import WALL_ROOM_M, SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest, Severity

SPEC = ActionSpec()
LIMITS = SafetyLimits()
LOW_M, HIGH_M = np.array([0.25, -0.42, 0.008]), np.array([0.75, 0.42, 0.55])
R_DOWN = np.diag([1.0, -1.0, -1.0])
START = compose(R_DOWN, [0.5, 0.0, 0.3])
NOW_NS = 10_000_000_000
FRESH_NS = NOW_NS - 50_000_000


def make_envelope() -> SafetyEnvelope:
    return SafetyEnvelope(LIMITS, LOW_M, HIGH_M, SPEC)


def make_request(translation_m=(0, 0, 0), rotation_rad=(0, 0, 0), sequence=1, **changes):
    action = DeltaAction.from_values(
        translation_m, rotation_rad, changes.pop("closed", False), SPEC
    )
    request = ActionRequest.from_action(action, sequence, changes.pop("stamp_ns", FRESH_NS))
    return _changed(request, **changes)


def _changed(request: ActionRequest, **changes) -> ActionRequest:
    values = {name: getattr(request, name) for name in ActionRequest.__slots__}
    return ActionRequest(**(values | changes))


def judge(request, T_target=START, T_measured=START, envelope=None, now_ns=NOW_NS):
    return (envelope or make_envelope()).check(request, now_ns, T_target, T_measured)


def test_a_good_action_moves_the_target_by_exactly_its_delta():
    verdict = judge(make_request((0.012, -0.006, 0.003), (0.0, 0.03, 0.0)))
    assert verdict.records == ()
    np.testing.assert_allclose(verdict.T_base_target[:3, 3], [0.512, -0.006, 0.303], atol=1e-12)
    turn = rotation_vector(verdict.T_base_target[:3, :3] @ R_DOWN.T)
    np.testing.assert_allclose(turn, [0.0, 0.03, 0.0], atol=1e-12)


def test_rotation_is_about_the_axes_of_the_base_not_of_the_tool():
    T_tilted = compose(rotation_from_vector([0.4, 0.0, 0.0]) @ R_DOWN, [0.5, 0.0, 0.3])
    verdict = judge(make_request(rotation_rad=(0, 0, 0.09)), T_tilted, T_tilted)
    turn = verdict.T_base_target[:3, :3] @ T_tilted[:3, :3].T
    np.testing.assert_allclose(rotation_vector(turn), [0.0, 0.0, 0.09], atol=1e-12)


REFUSALS = {
    "not_finite": {"translation_m": np.array([np.nan, 0.0, 0.0])},
    "action_spec": {"action_spec_id": "0123456789ab"},
    "bins": {"translation_m": np.array([0.02, 0.0, 0.0])},
    "stale": {"observation_stamp_ns": NOW_NS - 1_000_000_001},
    "future": {"observation_stamp_ns": NOW_NS + 200_000_001},
    "sequence": {"sequence": 0},
}


@pytest.mark.parametrize(("name", "changes"), REFUSALS.items(), ids=REFUSALS)
def test_wrong_input_is_refused_and_named(name, changes):
    verdict = judge(_changed(make_request((0.012, 0, 0)), **changes))
    assert not verdict.accepted
    assert [record.name for record in verdict.records] == [name]
    record = verdict.records[0]
    assert record.severity is Severity.REFUSED
    assert record.given == ()
    assert record.source == "policy"
    assert len(record.detail) > 20


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e300, -1e300])
@pytest.mark.parametrize("field", ["translation_m", "rotation_rad"])
def test_no_wild_number_gets_through(field, value):
    verdict = judge(_changed(make_request(), **{field: np.array([0.0, value, 0.0])}))
    assert not verdict.accepted


def test_bins_that_are_no_bins_are_refused():
    for bins in [(50,) * 6, (101,) + (50,) * 6, ()]:
        assert judge(_changed(make_request(), bins=bins)).records[0].name == "bins"


def test_gripper_must_agree_with_its_bin():
    verdict = judge(_changed(make_request(), gripper_closed=True))
    assert verdict.records[0].name == "bins"
    assert "gripper" in verdict.records[0].detail


def test_limits_of_age_are_inclusive():
    assert judge(make_request(stamp_ns=NOW_NS - 1_000_000_000)).accepted
    assert judge(make_request(stamp_ns=NOW_NS + 200_000_000)).accepted


def test_a_long_step_is_shortened_along_its_direction():
    verdict = judge(make_request((0.03, 0.03, 0.03)))
    (record,) = verdict.records
    assert (record.name, record.severity) == ("step_size", Severity.CLAMPED)
    moved = verdict.T_base_target[:3, 3] - START[:3, 3]
    np.testing.assert_allclose(moved, np.full(3, 0.035 / math.sqrt(3)), atol=1e-12)
    assert np.linalg.norm(record.given[:3]) == pytest.approx(0.035)
    assert np.linalg.norm(record.asked[:3]) == pytest.approx(0.03 * math.sqrt(3))


def test_a_large_rotation_is_shortened():
    verdict = judge(make_request(rotation_rad=(0.15, 0.15, 0.15)))
    assert [record.name for record in verdict.records] == ["step_size"]
    turn = rotation_vector(verdict.T_base_target[:3, :3] @ R_DOWN.T)
    assert np.linalg.norm(turn) == pytest.approx(LIMITS.max_step_rotation_rad)


def test_the_target_stops_at_the_wall_of_the_workspace():
    T_near = compose(R_DOWN, [0.5, 0.0, 0.02])
    verdict = judge(make_request((0, 0, -0.03)), T_near, T_near)
    assert [record.name for record in verdict.records] == ["workspace"]
    assert verdict.T_base_target[2, 3] == LOW_M[2]


@pytest.mark.parametrize(("axis", "at_m", "wall_m"), [(0, HIGH_M[0], -1.0), (1, LOW_M[1], 1.0)])
def test_side_walls_keep_room_for_what_control_misses(axis, at_m, wall_m):
    place_m = np.array([0.5, 0.0, 0.3])
    place_m[axis] = at_m + wall_m * 0.01
    T_near = compose(R_DOWN, place_m)
    step_m = np.zeros(3)
    step_m[axis] = -0.03 * wall_m
    verdict = judge(make_request(tuple(step_m)), T_near, T_near)
    assert [record.name for record in verdict.records] == ["workspace"]
    assert verdict.T_base_target[axis, 3] == pytest.approx(at_m + wall_m * WALL_ROOM_M)


def test_a_blocked_arm_is_not_wound_up():
    envelope, T_target = make_envelope(), START
    names = set()
    for sequence in range(1, 6):
        verdict = judge(make_request((0.03, 0, 0), sequence=sequence), T_target, START, envelope)
        names |= {record.name for record in verdict.records}
        T_target = verdict.T_base_target
    assert names == {"lead"}
    assert T_target[0, 3] - START[0, 3] == pytest.approx(LIMITS.max_lead_m, abs=1e-9)


def test_an_arm_far_outside_the_box_is_not_moved():
    T_out = compose(R_DOWN, [0.5, 0.0, 0.7])
    verdict = judge(make_request((0, 0, -0.03)), T_out, T_out)
    assert verdict.records[0].name == "outside_workspace"
    assert "home" in verdict.records[0].detail


def test_sequence_numbers_of_a_source_only_go_up():
    envelope = make_envelope()
    assert judge(make_request(sequence=5), envelope=envelope).records == ()
    assert judge(make_request(sequence=5), envelope=envelope).records[0].name == "sequence"
    assert judge(make_request(sequence=4), envelope=envelope).records[0].name == "sequence"
    assert judge(make_request(sequence=6), envelope=envelope).records == ()


def test_missing_actions_are_reported_and_do_not_stop_the_arm():
    envelope = make_envelope()
    judge(make_request(sequence=1), envelope=envelope)
    verdict = judge(make_request(sequence=4), envelope=envelope)
    assert verdict.accepted
    assert [record.name for record in verdict.records] == ["sequence_gap"]
    assert verdict.records[0].detail.startswith("2 actions")


def test_number_one_starts_again_unless_it_is_a_repetition():
    envelope = make_envelope()
    judge(make_request(sequence=1, stamp_ns=FRESH_NS - 2), envelope=envelope)
    repeated = judge(make_request(sequence=1, stamp_ns=FRESH_NS - 2), envelope=envelope)
    assert repeated.records[0].name == "sequence"
    judge(make_request(sequence=2, stamp_ns=FRESH_NS - 1), envelope=envelope)
    assert judge(make_request(sequence=1), envelope=envelope).records == ()


def test_a_sequence_that_is_replayed_from_its_beginning_is_refused():
    envelope = make_envelope()
    sent = [make_request(sequence=k, stamp_ns=FRESH_NS + k) for k in (1, 2, 3)]
    assert all(judge(request, envelope=envelope).accepted for request in sent)
    for request in sent:
        assert judge(request, envelope=envelope).records[-1].name == "sequence"


def test_numbers_may_start_again_after_a_clock_that_was_ahead():
    envelope = make_envelope()
    ahead = make_request(sequence=7, stamp_ns=NOW_NS + 3600 * 10**9)
    assert judge(ahead, envelope=envelope).records[-1].name == "future"
    assert judge(make_request(sequence=1), envelope=envelope).records == ()


def test_another_source_may_go_on_from_the_acknowledged_number():
    envelope = make_envelope()
    judge(make_request(sequence=1), envelope=envelope)
    judge(make_request(sequence=2, source="teleop"), envelope=envelope)
    assert judge(make_request(sequence=3), envelope=envelope).records == ()


def test_a_refused_action_uses_up_its_number():
    envelope = make_envelope()
    judge(_changed(make_request(sequence=1), **REFUSALS["not_finite"]), envelope=envelope)
    assert judge(make_request(sequence=2), envelope=envelope).records == ()


def test_what_is_remembered_of_sources_does_not_grow_without_end():
    envelope = make_envelope()
    for number in range(16):
        assert judge(make_request(source=f"source {number}"), envelope=envelope).accepted
    refused = judge(make_request(source="x" * 1000), envelope=envelope)
    assert not refused.accepted and refused.records[-1].name == "sequence"
    assert len(refused.records[-1].detail) < 200
    assert judge(make_request(sequence=2, source="source 3"), envelope=envelope).accepted


@pytest.mark.parametrize("changes", [{}, {"action_spec_id": "0123456789ab"}])
@pytest.mark.parametrize("known", [True, False])
def test_a_number_that_leaps_is_refused_and_does_not_block_its_source(known, changes):
    envelope = make_envelope()
    if known:
        judge(make_request(sequence=1), envelope=envelope)
    leap = judge(make_request(sequence=2**40, **changes), envelope=envelope)
    assert [record.name for record in leap.records] == ["sequence"]
    assert not leap.accepted and "leaps" in leap.records[0].detail
    other = judge(make_request(sequence=2**40 + 1, source="teleop"), envelope=envelope)
    assert [record.name for record in other.records] == ["sequence"]
    assert judge(make_request(sequence=2), envelope=envelope).records == ()


def test_only_what_no_gap_explains_leaps():
    envelope = make_envelope()
    # the executor was started again, its source was not
    assert judge(make_request(sequence=30_000, source="teleop"), envelope=envelope).records == ()
    assert judge(make_request(sequence=30_001), envelope=envelope).records == ()
    lost = judge(make_request(sequence=40_001), envelope=envelope)
    assert lost.accepted and [record.name for record in lost.records] == ["sequence_gap"]
    assert not judge(make_request(sequence=50_002), envelope=envelope).accepted


def test_twists_are_shortened_to_the_speed_limits():
    twist = make_envelope().limit_twist(np.array([3.0, 4.0, 0.0, 0.0, 0.0, -9.0]))
    np.testing.assert_allclose(twist, [0.21, 0.28, 0.0, 0.0, 0.0, -1.8])


def test_a_twist_that_is_not_finite_raises():
    with pytest.raises(SafetyError, match="not finite"):
        make_envelope().limit_twist(np.array([0.0, 0.0, math.nan, 0.0, 0.0, 0.0]))


any_float = st.floats(allow_nan=True, allow_infinity=True)
bin_ = st.integers(0, 100)
wild = st.one_of(st.none(), st.tuples(any_float, any_float, any_float))
inside = st.tuples(*(st.floats(low, high) for low, high in zip(LOW_M, HIGH_M, strict=True)))
around = st.tuples(*(st.floats(a - 0.1, b + 0.1) for a, b in zip(LOW_M, HIGH_M, strict=True)))
small_turn = st.tuples(*(st.floats(-0.15, 0.15) for _ in range(3)))


@st.composite
def requests(draw):
    bins = draw(st.tuples(*([bin_] * 7)))
    action = DeltaAction(bins, SPEC)
    request = ActionRequest.from_action(action, draw(st.integers(0, 50)), FRESH_NS)
    translation, rotation = draw(wild), draw(wild)
    changes = {}
    if translation is not None:
        changes["translation_m"] = np.array(translation)
    if rotation is not None:
        changes["rotation_rad"] = np.array(rotation)
    stamp_ns = draw(st.one_of(st.none(), st.integers(-(2**40), 2**40)))
    if stamp_ns is not None:
        changes["observation_stamp_ns"] = stamp_ns
    return _changed(request, **changes)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(requests(), around, small_turn), max_size=25))
def test_whatever_comes_in_the_target_stays_in_the_box_and_near_the_arm(steps):
    """Hostile actions, and an arm that is pushed around, also out of the box."""
    envelope, T_target = make_envelope(), START
    for request, measured_m, turn_rad in steps:
        T_measured = compose(rotation_from_vector(turn_rad) @ R_DOWN, measured_m)
        verdict = envelope.check(request, NOW_NS, T_target, T_measured)
        if verdict.T_base_target is None:
            assert verdict.records[-1].severity is Severity.REFUSED
            continue
        T_target = verdict.T_base_target
        assert np.all(np.isfinite(T_target))
        position_m = T_target[:3, 3]
        assert np.all(position_m >= LOW_M) and np.all(position_m <= HIGH_M)
        assert np.linalg.norm(position_m - measured_m) <= LIMITS.max_lead_m + 1e-9
        lead_rad = rotation_vector(T_target[:3, :3] @ T_measured[:3, :3].T)
        assert np.linalg.norm(lead_rad) <= LIMITS.max_lead_rad + 1e-6
        np.testing.assert_allclose(T_target[:3, :3] @ T_target[:3, :3].T, np.eye(3), atol=1e-9)


@settings(max_examples=150, deadline=None)
@given(inside, st.lists(st.tuples(*([bin_] * 7)), min_size=1, max_size=25))
def test_no_step_of_the_target_is_longer_than_allowed(measured_m, actions):
    envelope = make_envelope()
    T_measured = T_target = compose(R_DOWN, measured_m)
    for sequence, bins in enumerate(actions, start=1):
        request = ActionRequest.from_action(DeltaAction(bins, SPEC), sequence, FRESH_NS)
        T_next = envelope.check(request, NOW_NS, T_target, T_measured).T_base_target
        assert np.linalg.norm(T_next[:3, 3] - T_target[:3, 3]) <= (
            LIMITS.max_step_translation_m + 1e-9
        )
        turn_rad = rotation_vector(T_next[:3, :3] @ T_target[:3, :3].T)
        assert np.linalg.norm(turn_rad) <= LIMITS.max_step_rotation_rad + 1e-6
        T_target = T_next


@settings(deadline=None)
@given(st.lists(any_float, min_size=6, max_size=6))
def test_every_streamed_twist_is_within_the_speed_limits(values):
    twist = np.array(values)
    if not np.all(np.isfinite(twist)):
        with pytest.raises(SafetyError):
            make_envelope().limit_twist(twist)
        return
    limited = make_envelope().limit_twist(twist)
    assert np.linalg.norm(limited[:3]) <= LIMITS.max_speed_m_s * (1 + 1e-6)
    assert np.linalg.norm(limited[3:]) <= LIMITS.max_speed_rad_s * (1 + 1e-6)

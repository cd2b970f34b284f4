"""No motion without the dead-man switch; bins in range; speed levels exact."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.teleop.core import LEVEL_BINS, TeleopConfig, TeleopCore
from spatialbot_ros.teleop.inputs import Button, DeviceInput

SPEC = ActionSpec()
REST = DeviceInput()
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
READINGS = st.builds(
    DeviceInput,
    axes=st.tuples(*[st.one_of(NUMBERS, st.floats(-1.0, 1.0))] * 6),
    deadman=st.booleans(),
    buttons=st.lists(st.sampled_from(Button), max_size=3).map(tuple),
)
EVENTS = st.one_of(
    st.tuples(st.just("feed"), READINGS),
    st.tuples(st.just("sync"), st.booleans()),
    st.tuples(st.just("wait"), st.floats(0.0, 1.0)),
    st.tuples(st.just("lose"), st.none()),
)


def pushed(*axes: float, buttons: tuple[Button, ...] = ()) -> DeviceInput:
    return DeviceInput((*axes, *(0.0,) * (6 - len(axes))), True, buttons)


def armed(level: int = 2, view: str = "robot", closed: bool = False) -> TeleopCore:
    core = TeleopCore(SPEC, TeleopConfig(view=view, start_level=level))
    core.feed(REST, 0.0)
    core.sync_gripper(closed, 0.0)
    return core


@given(st.lists(EVENTS, max_size=40))
def test_whatever_comes_nothing_moves_without_the_switch_and_bins_are_in_range(events) -> None:
    core, now_s = TeleopCore(SPEC), 0.0
    # the model: what a person would say about the switch
    held, armed_since, read_s, known = False, False, -1e9, False
    for kind, value in events:
        if kind == "feed":
            core.feed(value, now_s)
            armed_since = armed_since or not value.deadman
            held, read_s = value.deadman, now_s
            if Button.STOP in value.buttons:
                held = armed_since = False
        elif kind == "sync":
            core.sync_gripper(value, now_s)
            known = True
        elif kind == "wait":
            now_s += value
        else:
            core.release()
            held = armed_since = False
        action = core.action(now_s)
        may_move = held and armed_since and known and now_s - read_s <= 0.25
        assert (action is not None) == may_move
        if action is not None:
            reach = LEVEL_BINS[core.level]
            assert all(50 - reach <= k <= 50 + reach for k in action.bins[:6])
            assert action.gripper_closed == core.gripper_closed


@pytest.mark.parametrize("level", range(len(LEVEL_BINS)))
@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("sign", [1, -1])
def test_full_deflection_is_exactly_the_level(level: int, axis: int, sign: int) -> None:
    core = armed(level)
    core.feed(pushed(*(sign * float(k == axis) for k in range(6))), 1.0)
    action = core.action(1.0)
    assert action is not None
    expected = [50] * 6
    expected[axis] += sign * LEVEL_BINS[level]
    assert list(action.bins[:6]) == expected
    moved = (*action.translation_m, *action.rotation_rad)[axis]
    assert moved == pytest.approx(sign * core.step_limits[axis // 3], abs=1e-12)


@given(st.tuples(*[st.floats(-1.0, 1.0)] * 6), st.integers(0, len(LEVEL_BINS) - 1))
def test_all_axes_together_are_no_faster_than_one(axes, level: int) -> None:
    core = armed(level)
    core.feed(DeviceInput(axes, True), 1.0)
    bins = core.action(1.0).bins  # type: ignore[union-attr]
    rounding = 0.5 * math.sqrt(3.0)
    for half in (bins[:3], bins[3:6]):
        assert math.dist(half, (50, 50, 50)) <= LEVEL_BINS[level] + rounding + 1e-9


def test_opposite_the_robot_away_and_left_are_turned_round() -> None:
    core = armed(view="camera")
    core.feed(pushed(1.0, 0.0, 0.5, 1.0, 0.0, 0.5), 1.0)
    behind, opposite = armed(), core.action(1.0)
    behind.feed(pushed(-1.0, 0.0, 0.5, -1.0, 0.0, 0.5), 1.0)
    assert opposite == behind.action(1.0)


def test_speed_keys_stay_within_the_levels() -> None:
    core = armed()
    core.feed(DeviceInput(buttons=(Button.FASTER,) * 20), 0.0)
    assert core.level == len(LEVEL_BINS) - 1
    core.feed(DeviceInput(buttons=(Button.SLOWER,) * 20), 0.0)
    assert core.level == 0
    assert core.step_limits == (pytest.approx(0.0012), pytest.approx(0.006))


def test_taking_over_keeps_what_the_gripper_holds() -> None:
    core = armed(closed=True)
    core.feed(pushed(1.0), 1.0)
    assert core.action(1.0).gripper_closed  # type: ignore[union-attr]
    core.feed(pushed(0.0, buttons=(Button.GRIPPER,)), 1.1)
    # what the executor was asked for before is no news
    core.sync_gripper(True, 1.1)
    assert not core.action(1.1).gripper_closed  # type: ignore[union-attr]
    core.feed(REST, 1.2)
    core.sync_gripper(True, 1.2)
    assert core.gripper_closed


def test_the_gripper_moves_with_the_switch_only() -> None:
    core = armed(closed=True)
    core.feed(DeviceInput(buttons=(Button.GRIPPER,)), 1.0)
    assert core.gripper_closed and core.action(1.0) is None


def test_the_gripper_sense_is_that_of_the_action_spec() -> None:
    spec = ActionSpec(gripper_closed_value=0.0)
    core = TeleopCore(spec)
    core.feed(REST, 0.0)
    core.sync_gripper(True, 0.0)
    core.feed(pushed(0.0), 0.0)
    action = core.action(0.0)
    assert action == DeltaAction((50,) * 6 + (0,), spec) and action.gripper_closed


def test_buttons_of_others_are_handed_on_in_order() -> None:
    buttons = (Button.HOME, Button.FASTER, Button.EPISODE_START, Button.STOP)
    assert armed().feed(DeviceInput(buttons=buttons), 0.0) == (
        Button.HOME,
        Button.EPISODE_START,
        Button.STOP,
    )


@pytest.mark.parametrize(
    "values", [{"view": "moon"}, {"start_level": 6}, {"max_input_age_s": float("nan")}]
)
def test_unusable_settings_are_refused(values) -> None:
    with pytest.raises(ConfigurationError):
        TeleopConfig(**values)

"""Who drives which step: shares, stretches and that everything follows from the seed."""

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim.takeover import Takeover, TakeoverOptions


def drives(options: TakeoverOptions, seed: int, num: int, attempt: int = 0) -> list[bool]:
    takeover = Takeover(options, [seed, 1], attempt)
    return [takeover.policy_is_next() for _ in range(num)]


def share(options: TakeoverOptions, num: int, attempt: int = 0) -> float:
    steps = [step for seed in range(40) for step in drives(options, seed, num, attempt)]
    return sum(steps) / len(steps)


@given(
    st.integers(0, 2**63 - 1),
    st.floats(0.05, 1.0),
    st.tuples(st.integers(1, 60), st.integers(0, 60)),
)
@settings(max_examples=50, deadline=None)
def test_the_expert_drives_alone_from_the_drawn_step(
    seed: int, policy_share: float, last: tuple[int, int]
) -> None:
    options = TakeoverOptions(policy_share=policy_share, last_policy_step=(last[0], sum(last)))
    steps = drives(options, seed, 200)
    assert steps == drives(options, seed, 200)
    assert not any(steps[sum(last) :])


@pytest.mark.parametrize("wanted", [0.3, 0.6, 0.8])
def test_the_share_is_met_while_the_policy_takes_part(wanted: float) -> None:
    options = TakeoverOptions(policy_share=wanted, last_policy_step=(1000, 1000))
    assert share(options, 200) == pytest.approx(wanted, abs=0.06)


def test_all_steps_are_the_policys_if_wanted() -> None:
    options = TakeoverOptions(
        policy_share=1.0, expert_first_probability=0.0, last_policy_step=(50, 50)
    )
    assert share(options, 50) == pytest.approx(1.0, abs=0.05)


def test_another_attempt_drives_less_and_otherwise() -> None:
    options = TakeoverOptions(policy_share=0.8, last_policy_step=(1000, 1000))
    assert drives(options, 3, 100) != drives(options, 3, 100, attempt=1)
    assert share(options, 200, attempt=1) == pytest.approx(0.4, abs=0.06)


def test_stretches_are_short_in_some_scenes_and_long_in_others() -> None:
    options = TakeoverOptions(expert_first_probability=0.0, last_policy_step=(1000, 1000))
    first = [len(list(next(groupby(drives(options, seed, 300)))[1])) for seed in range(40)]
    assert min(first) < 12 and max(first) > 50


def test_the_expert_may_begin() -> None:
    options = TakeoverOptions(expert_first_probability=1.0, max_first_steps=9)
    assert not any(drives(options, seed, 1)[0] for seed in range(20))
    assert all(any(drives(options, seed, 10)) for seed in range(20))


def test_a_policy_that_gives_up_is_led_away() -> None:
    options = TakeoverOptions(expert_first_probability=0.0, stretch_steps=(60, 60))
    takeover = Takeover(options, [5])
    assert takeover.policy_is_next()
    takeover.give_up()
    led = [takeover.policy_is_next() for _ in range(7)]
    assert not any(led)
    # the expert's own steps are not the policy's to give up
    takeover.give_up()
    assert any(takeover.policy_is_next() for _ in range(30))


@pytest.mark.parametrize(
    "values",
    [
        {"policy_share": 0.0},
        {"policy_share": 1.1},
        {"stretch_steps": (0, 3)},
        {"last_policy_step": (9, 3)},
        {"expert_first_probability": 2.0},
        {"retry_factor": 0.0},
        {"max_first_steps": 0},
    ],
)
def test_what_cannot_be_shared_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        TakeoverOptions(**values)

"""Labels that an episode holds without being told: where it grasped and where it let go."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.waypoints import HIGH, LOW, PICK, PLACE, to_bins
from spatialbot_model.training.waypoints import hindsight_waypoints, holds

OPEN, CLOSED = 0.0, 1.0


def states_of(phases: list[tuple[int, float, float]]) -> np.ndarray:
    """(steps, closed, width) by turns; x grows by a centimetre a step."""
    rows = []
    for steps, closed, width_m in phases:
        for _ in range(steps):
            x = 0.3 + 0.01 * len(rows)
            rows.append([x, 0.1, 0.2, 1, 0, 0, 0, -1, 0, width_m, closed])
    return np.array(rows, np.float32)


def wanted(states: np.ndarray) -> np.ndarray:
    """An answer is carried out one step later."""
    closed = states[:, 10] > 0.5
    return np.append(closed[1:], closed[-1])


def test_pick_and_place() -> None:
    # reach, fingers closing, carry, release
    states = states_of([(10, OPEN, 0.08), (1, CLOSED, 0.06), (12, CLOSED, 0.04), (5, OPEN, 0.08)])
    (hold,) = holds(states)
    assert hold == (11, 22)
    points = hindsight_waypoints(states, wanted(states))
    assert points.known[:12, PICK].all() and not points.known[12:, PICK].any()
    assert points.known[: hold[1] + 1, PLACE].all() and not points.known[hold[1] + 1 :, PLACE].any()
    np.testing.assert_allclose(points.poses[0, PICK], [0.41, 0.1, 0.2, 0.0], atol=1e-6)
    np.testing.assert_allclose(points.poses[0, PLACE, 0], 0.3 + 0.01 * hold[1], atol=1e-6)


def test_a_hold_ends_where_the_hand_is_told_to_open() -> None:
    # fingers that begin to move at once, one step late, and a recording that ends before
    at_once = states_of([(5, OPEN, 0.08), (8, CLOSED, 0.04), (5, OPEN, 0.08)])
    late = states_of([(5, OPEN, 0.08), (8, CLOSED, 0.04), (1, OPEN, 0.04), (4, OPEN, 0.08)])
    never = states_of([(5, OPEN, 0.08), (8, CLOSED, 0.04)])
    for states in (at_once, late, never):
        assert holds(states) == [(5, 12)]


def test_an_empty_or_short_grip_is_no_hold() -> None:
    assert holds(states_of([(5, OPEN, 0.08), (10, CLOSED, 0.0), (5, OPEN, 0.08)])) == []
    assert holds(states_of([(5, OPEN, 0.08), (3, CLOSED, 0.04), (5, OPEN, 0.08)])) == []


def test_a_dropped_thing_is_picked_twice() -> None:
    states = states_of(
        [(5, OPEN, 0.08), (8, CLOSED, 0.04), (6, OPEN, 0.08), (8, CLOSED, 0.04), (3, OPEN, 0.08)]
    )
    (first, dropped), (second, _) = holds(states)
    points = hindsight_waypoints(states, wanted(states))
    # before the first grasp it is the one to go to, afterwards the second
    np.testing.assert_allclose(points.poses[0, PICK, 0], states[first, 0])
    np.testing.assert_allclose(points.poses[dropped + 1, PICK, 0], states[second, 0])
    assert points.known[dropped + 1 : second + 1, PICK].all()


def test_unknown_states_hold_nothing() -> None:
    states = np.full((9, 11), np.nan, np.float32)
    assert not hindsight_waypoints(states, np.ones(9, bool)).known.any()


def test_what_nobody_wanted_is_no_waypoint() -> None:
    states = states_of(
        [(5, OPEN, 0.08), (8, CLOSED, 0.04), (6, OPEN, 0.08), (8, CLOSED, 0.04), (3, OPEN, 0.08)]
    )
    (first, dropped), (second, last) = holds(states)
    flipped = wanted(states)
    flipped[dropped - 1 : dropped + 3] = True
    points = hindsight_waypoints(states, flipped)
    np.testing.assert_allclose(points.poses[0, PICK, 0], states[first, 0])
    # dropped by noise: the place is still the one that the second hold leads to
    np.testing.assert_allclose(points.poses[0, PLACE, 0], states[last, 0])
    wrong = wanted(states)
    wrong[first:dropped] = False
    points = hindsight_waypoints(states, wrong)
    np.testing.assert_allclose(points.poses[0, PICK, 0], states[second, 0])


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_bins_span_the_range(share: list[float]) -> None:
    pose = (LOW + np.array(share) * (HIGH - LOW)).astype(np.float32)
    np.testing.assert_allclose(to_bins(pose), 100 * np.array(share), atol=1e-3)
    assert (to_bins(HIGH + 1) == 100).all() and (to_bins(LOW - 1) == 0).all()

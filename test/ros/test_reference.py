"""The moving reference: it walks in a straight line, in time, and waits for the late arm."""

import numpy as np
import pytest

from spatialbot_model.contracts.transforms import compose, rotation_from_vector, rotation_vector
from spatialbot_ros.reference import TargetReference

START = compose(np.diag([1.0, -1.0, -1.0]), [0.4, 0.1, 0.3])
GOAL = compose(rotation_from_vector([0.0, 0.0, 0.1]) @ START[:3, :3], [0.43, 0.1, 0.28])


def test_it_reaches_the_target_in_time_at_constant_speed():
    reference = TargetReference(0.0)
    reference.reset(START)
    reference.go(GOAL, 0.1)
    twists = [reference.advance(0.02) for _ in range(5)]
    for twist in twists:
        np.testing.assert_allclose(twist, [0.3, 0.0, -0.2, 0.0, 0.0, 1.0], atol=1e-9)
    assert reference.arrived
    np.testing.assert_allclose(reference.advance(0.02), np.zeros(6))
    np.testing.assert_allclose(reference.feedback_error(GOAL), np.zeros(6), atol=1e-9)


def test_steady_targets_give_a_steady_speed():
    reference = TargetReference(0.0)
    reference.reset(START)
    T, speeds = START, []
    for _ in range(10):
        T = compose(T[:3, :3], T[:3, 3] + [0.02, 0.0, 0.0])
        reference.go(T, 0.11)
        speeds += [reference.advance(0.02)[0] for _ in range(5)]
    np.testing.assert_allclose(speeds[20:], 0.2, rtol=1e-3)


def test_an_arm_that_answers_late_has_no_error_on_the_way():
    prompt, late = TargetReference(0.0), TargetReference(0.06)
    for reference in (prompt, late):
        reference.reset(START)
        reference.go(GOAL, 0.2)
    # where a perfect arm would be, and three steps of 20 ms later where the late one is
    way = [prompt.feedback_error(START)] * 3
    for _ in range(20):
        prompt.advance(0.02)
        late.advance(0.02)
        way.append(prompt.feedback_error(START))
        np.testing.assert_allclose(late.feedback_error(START), way[-4], atol=1e-9)


def test_a_reset_forgets_the_way():
    reference = TargetReference(0.1)
    reference.reset(START)
    reference.go(GOAL, 0.1)
    reference.advance(0.05)
    reference.reset(GOAL)
    assert reference.arrived
    np.testing.assert_allclose(reference.feedback_error(GOAL), np.zeros(6), atol=1e-12)
    assert reference.distance(GOAL) == (0.0, 0.0)


@pytest.mark.parametrize("dt_s", [0.001, 0.033, 0.5])
def test_it_never_passes_the_target(dt_s):
    reference = TargetReference(0.03)
    reference.reset(START)
    reference.go(GOAL, 0.1)
    for _ in range(int(0.3 / dt_s) + 2):
        twist = reference.advance(dt_s)
        assert abs(twist[0]) * dt_s <= 0.03 + 1e-9
    np.testing.assert_allclose(reference.feedback_error(GOAL), np.zeros(6), atol=1e-9)
    turn = rotation_vector(reference.T_base_target[:3, :3] @ GOAL[:3, :3].T)
    np.testing.assert_allclose(turn, np.zeros(3), atol=1e-9)

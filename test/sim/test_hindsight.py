"""Where a recording tells in hindsight that it grasped and let go: where the hand really did."""

import numpy as np
import pytest
from list_sink import ListSink

from spatialbot_model.contracts.action_codec import FINISHED_TEXT, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.waypoints import PICK, PLACE
from spatialbot_model.training.waypoints import hindsight_waypoints
from spatialbot_sim.collect import CollectOptions, Collector, Job
from spatialbot_sim.env_options import EnvOptions

SPEC = ActionSpec()
PICK_M, PICK_RAD = 0.003, 0.05
PLACE_M, PLACE_RAD = 0.004, 0.05


@pytest.fixture(scope="module")
def records(cell) -> list:
    """Of one whole episode of the undisturbed expert."""
    sink = ListSink()
    options = CollectOptions(env=EnvOptions(render=False), num_instructions=1)
    result = Collector(cell, SPEC, options, sink).run(Job("pick_place", 0))
    assert result.success
    return sink.records


@pytest.fixture(scope="module")
def hindsight(records):
    """What the recording tells of itself."""
    states = np.array([record.robot.state.vector() for record in records], np.float32)
    closes = [r.text != FINISHED_TEXT and _answer(r.text).gripper_closed for r in records]
    return hindsight_waypoints(states, np.array(closes))


def _answer(text: str):
    return parse_action_text(text, SPEC)


def _last_known(records, name: str) -> tuple[int, np.ndarray]:
    """Number of the last frame whose own annotation knows a waypoint, and that waypoint."""
    known = [k for k, r in enumerate(records) if getattr(r.annotations[0], name) is not None]
    assert known == list(range(known[-1] + 1))
    return known[-1], getattr(records[known[-1]].annotations[0], name)


def _assert_near(waypoint, expected, way_m: float, turn_rad: float) -> None:
    assert np.linalg.norm(waypoint[:3] - expected[:3]) < way_m
    turned_rad = (waypoint[3] - expected[3] + np.pi) % (2 * np.pi) - np.pi
    assert abs(turned_rad) < turn_rad


def test_pick_is_where_the_hand_closes(records, hindsight) -> None:
    last, _ = _last_known(records, "pick")
    for k in range(last + 1):
        assert hindsight.known[k, PICK]
        _assert_near(records[k].annotations[0].pick, hindsight.poses[k, PICK], PICK_M, PICK_RAD)


def test_place_is_where_the_hand_is_told_to_open(records, hindsight) -> None:
    closed = [record.robot.gripper_closed for record in records]
    told = max(k for k, is_closed in enumerate(closed) if is_closed)
    T = records[told].robot.T_base_ee
    released = np.array([*T[:3, 3], np.arctan2(T[1, 0], T[0, 0])])
    # once it is held, how it lies in the hand is known
    held = [k for k, r in enumerate(records) if r.annotations[0].pick is None]
    for k in range(held[0], told + 1):
        place = records[k].annotations[0].place
        assert place is not None
        _assert_near(place, released, PLACE_M, PLACE_RAD)
    # hindsight learns that very place
    assert hindsight.known[: told + 1, PLACE].all() and not hindsight.known[told + 1 :, PLACE].any()
    np.testing.assert_allclose(hindsight.poses[held[0], PLACE], released, atol=1e-6)
    assert records[-1].annotations[0].place is None

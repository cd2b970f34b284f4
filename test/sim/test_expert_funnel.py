"""The funnel: no jumps, wide above and narrow beside the thing; what is too low rises first."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert import Expert
from spatialbot_sim.expert_funnel import Funnel, way_through
from spatialbot_sim.tasks import sample_scene

SPEC = ActionSpec()
FUNNEL = Funnel(radius_m=0.008, throat_m=0.04)
distances_m = st.floats(0.0, 0.5)
places_m = st.floats(-0.5, 0.5)


def test_inside_it_reaches_the_bottom_and_above_the_throat_it_is_wide() -> None:
    assert FUNNEL.height_m(0.0) == FUNNEL.height_m(0.008) == 0.0
    assert FUNNEL.height_m(0.018) == pytest.approx(0.04)
    assert FUNNEL.height_m(0.048) == pytest.approx(0.10)


@given(distances_m, distances_m)
def test_it_rises_outwards_without_a_jump(one_m: float, other_m: float) -> None:
    near_m, far_m = sorted((one_m, other_m))
    step = FUNNEL.height_m(far_m) - FUNNEL.height_m(near_m)
    # steepest in the rim: 4 cm over a centimetre
    assert 0.0 <= step <= 4.0 * (far_m - near_m) + 1e-12


@given(distances_m, st.floats(0.0, 0.3))
def test_a_little_outside_nothing_rises_and_far_outside_all_does(away_m, above_m) -> None:
    height_m, wished_m = FUNNEL.height_m(away_m), FUNNEL.height_from(above_m, away_m)
    if above_m >= height_m:
        assert wished_m == height_m
    elif away_m <= 0.018:
        assert wished_m == above_m
    elif away_m >= 0.038:
        assert wished_m == pytest.approx(height_m)
    else:
        assert above_m <= wished_m <= height_m


@given(places_m, places_m, places_m, places_m, st.floats(0.0, 0.4), st.floats(0.0, 0.4))
def test_what_is_too_low_rises_before_it_goes_sideways(x, y, to_x, to_y, z, height_m) -> None:
    here_m, goal_xy_m = np.array([x, y, z]), np.array([to_x, to_y])
    way_m = way_through(here_m, goal_xy_m, height_m) - here_m
    assert way_m[2] == pytest.approx(height_m - z)
    sideways_m, left_m = np.hypot(*way_m[:2]), np.hypot(*(goal_xy_m - here_m[:2]))
    if z < height_m - 0.04:
        assert sideways_m == 0.0
    elif z >= height_m - 0.01:
        assert sideways_m == pytest.approx(min(left_m, 0.10), abs=1e-9)
    assert sideways_m <= left_m + 1e-9


def test_answers_of_the_expert_differ_little_where_places_do(cell) -> None:
    env, expert = TabletopEnv(cell, SPEC, EnvOptions(render=False)), Expert(cell, SPEC)
    scene = sample_scene("pick_place", 0)
    env.reset(scene)
    state = env.privileged_state()
    pick_m = expert.waypoints(state, scene).pick[:3]
    rng = np.random.default_rng(0)

    def bins(tool_m: np.ndarray) -> np.ndarray:
        T = state.T_base_target.copy()
        T[:3, 3] = tool_m
        still = replace(state, T_base_ee=T, T_base_target=T, ee_velocity_m_s=np.zeros(3))
        action = expert.act(still, scene)
        assert isinstance(action, DeltaAction)
        return np.array(action.bins[:6])

    changes = []
    for _ in range(400):
        # above and around the thing, in the middle of every decision
        tool_m = pick_m + np.array([*rng.normal(0.0, 0.02, 2), rng.uniform(0.0, 0.15)])
        changes.append(np.abs(bins(tool_m + rng.normal(0.0, 0.0005, 3)) - bins(tool_m)).max())
    env.close()
    # half a millimetre; a step is up to 50 bins in either direction
    assert np.max(changes) <= 20 and np.mean(changes) < 3

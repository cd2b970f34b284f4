"""The environment: what an action does, what is seen, and that all of it can be repeated."""

from collections.abc import Iterator

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ActionSpecMismatchError,
    ConfigurationError,
    SimulationError,
)
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.lab import START_NS
from spatialbot_sim.tasks import sample_scene

SPEC = ActionSpec()
SCENE = sample_scene("pick_place_color", 3)


def act(translation_m=(0.0, 0.0, 0.0), rotation_rad=(0.0, 0.0, 0.0), closed=False) -> DeltaAction:
    return DeltaAction.from_values(translation_m, rotation_rad, closed, SPEC)


STILL = act()


@pytest.fixture(scope="module")
def blind(cell) -> TabletopEnv:
    """Without images."""
    return TabletopEnv(cell, SPEC, EnvOptions(render=False))


@pytest.fixture(scope="module")
def seeing(cell) -> Iterator[TabletopEnv]:
    env = TabletopEnv(cell, SPEC)
    yield env
    env.close()


def test_it_begins_at_home_with_open_hand(blind, cell) -> None:
    observation = blind.reset(SCENE)
    state = blind.privileged_state()
    assert np.allclose(state.T_base_ee[:3, 3], cell.home_tcp_m, atol=1e-4)
    assert state.gripper_width_m == pytest.approx(0.08, abs=1e-3)
    assert observation.instruction == SCENE.instruction
    assert observation.newest.stamp_ns == START_NS
    assert len(observation.frames) == 4
    assert {item.name for item in SCENE.objects} <= set(state.poses)
    assert not state.verdict.success


def test_a_target_is_the_sum_of_the_deltas_and_is_reached(blind, cell) -> None:
    blind.reset(SCENE)
    actions = [act((0.02, 0.01, -0.006), (0.0, 0.0, 0.06))] * 5
    for action in [*actions, *[STILL] * 4]:
        blind.step(action)
    state = blind.privileged_state()
    expected_m = cell.home_tcp_m + sum(action.translation_m for action in actions)
    assert np.allclose(state.T_base_target[:3, 3], expected_m, atol=1e-6)
    assert np.linalg.norm(state.T_base_ee[:3, 3] - expected_m) < 1e-3
    yaw_rad = np.arctan2(state.T_base_ee[1, 0], state.T_base_ee[0, 0])
    assert yaw_rad == pytest.approx(sum(action.rotation_rad[2] for action in actions), abs=2e-3)


def test_the_robots_state_is_of_the_newest_frames_moment(blind) -> None:
    before = blind.reset(SCENE).robot
    assert before is not None
    assert not before.gripper_closed
    assert before.gripper_width_m == pytest.approx(0.08, abs=1e-3)
    states = []
    for _ in range(3):
        observation = blind.step(act((0.02, 0.0, 0.0), closed=True))
        assert observation.robot is not None
        measured = blind.proprioception()
        assert np.array_equal(observation.robot.T_base_ee, measured.T_base_ee)
        assert observation.robot.gripper_width_m == measured.gripper_width_m
        # the wish of the action that led here, not of the one that is about to be chosen
        assert observation.robot.gripper_closed
        states.append(observation.robot)
    # earlier ones are not overwritten as the arm goes on
    x_m = [state.T_base_ee[0, 3] for state in (before, *states)]
    assert np.all(np.diff(x_m) > 1e-3)
    widths_m = [state.gripper_width_m for state in (before, *states)]
    assert np.all(np.diff(widths_m) < -1e-3)


def test_the_target_stays_in_the_workspace_and_near_the_arm(blind, cell) -> None:
    blind.reset(SCENE)
    for _ in range(30):
        blind.step(act((0.03, 0.0, 0.03)))
        state = blind.privileged_state()
        assert np.all(state.T_base_target[:3, 3] <= cell.workspace_max_m + 1e-9)
        lead_m = np.linalg.norm(state.T_base_target[:3, 3] - state.T_base_ee[:3, 3])
        assert lead_m <= EnvOptions().max_lead_m + 0.03
    assert state.T_base_target[2, 3] == pytest.approx(cell.workspace_max_m[2])


def test_the_hand_takes_its_time_and_finishes_what_it_began(blind) -> None:
    blind.reset(SCENE)
    assert blind.proprioception().gripper_speed_m_s == 0.0
    widths_m = [blind.proprioception().gripper_width_m]
    for step in range(30):
        # open again is wished for while the hand still closes
        blind.step(act(closed=step < 2))
        hand = blind.proprioception().state
        # how fast it was in this step of 0.1 s
        assert hand.gripper_speed_m_s == pytest.approx(10 * (hand.gripper_width_m - widths_m[-1]))
        widths_m.append(hand.gripper_width_m)
    assert 0.03 < widths_m[2] < 0.078
    assert min(widths_m) < 0.002
    assert widths_m[-1] > 0.078


def test_the_arm_is_put_where_it_is_told_and_rests(blind, cell) -> None:
    blind.lay(SCENE)
    q_rad = cell.home_joints_rad + np.array([0.2, 0.1, 0.0, -0.1, 0.0, 0.1, 0.3])
    blind.move(act(closed=True))
    finger_m = blind.proprioception().finger_m.copy()
    blind.place_arm(q_rad, open_hand=False)
    robot = blind.proprioception()
    np.testing.assert_allclose(robot.q_rad, q_rad, atol=1e-9)
    np.testing.assert_allclose(robot.finger_m, finger_m, atol=1e-9)
    assert robot.gripper_closed
    blind.place_arm(q_rad, open_hand=True)
    robot = blind.proprioception()
    assert robot.gripper_width_m == pytest.approx(0.08, abs=1e-3) and not robot.gripper_closed
    # it has nowhere to go
    np.testing.assert_allclose(robot.T_base_target, robot.T_base_ee, atol=1e-9)
    blind.move(STILL)
    assert np.linalg.norm(blind.proprioception().T_base_ee[:3, 3] - robot.T_base_ee[:3, 3]) < 1e-3
    assert blind.proprioception().gripper_width_m > 0.075


def test_steps_are_control_periods(blind) -> None:
    blind.reset(SCENE)
    first_s = blind.world.data.time
    stamps = [blind.step(STILL).newest.stamp_ns for _ in range(3)]
    assert stamps == [START_NS + k * 100_000_000 for k in (1, 2, 3)]
    assert blind.world.data.time - first_s == pytest.approx(0.3)


def test_images_show_the_scene(seeing, cell) -> None:
    frame = seeing.reset(SCENE).newest
    assert frame.color.std() > 10.0
    assert 0.5 < (frame.depth_mm > 0).mean() < 1.0
    target = SCENE.object_named(SCENE.target)
    T = np.linalg.inv(cell.camera.T_base_color)
    point_m = T[:3, :3] @ [target.x_m, target.y_m, target.rest_height_m] + T[:3, 3]
    u, v = np.rint(cell.camera.color.project(point_m)).astype(int)
    around = frame.depth_mm[v - 4 : v + 5, u - 4 : u + 5]
    # its near side is seen
    assert np.median(around[around > 0]) == pytest.approx(point_m[2] * 1e3 - 20.0, abs=25.0)


def test_everything_can_be_repeated(cell, seeing) -> None:
    def play(env: TabletopEnv) -> list[bytes]:
        frames = [env.reset(SCENE).newest]
        frames += [env.step(act((0.03, 0.0, -0.02), closed=True)).newest for _ in range(3)]
        return [f.color.tobytes() + f.depth_mm.tobytes() for f in frames]

    first = play(seeing)
    seeing.reset(sample_scene("pick_place", 8))
    assert play(seeing) == first
    other = TabletopEnv(cell, SPEC)
    try:
        assert play(other) == first
    finally:
        other.close()


def test_a_blind_arm_moves_like_a_seeing_one(blind, seeing) -> None:
    for env in (blind, seeing):
        env.reset(SCENE)
        for _ in range(3):
            env.step(act((0.02, -0.02, 0.01)))
    assert np.array_equal(blind.proprioception().q_rad, seeing.proprioception().q_rad)


def test_boxes_hold_the_things(blind) -> None:
    blind.reset(SCENE)
    state = blind.privileged_state()
    for name, box in state.boxes.items():
        assert np.all(box.low_m < box.high_m)
        assert np.all(box.low_m <= state.poses[name][:3, 3])
        assert np.all(state.poses[name][:3, 3] <= box.high_m)
    target = SCENE.object_named(SCENE.target)
    assert state.boxes[target.name].low_m[2] == pytest.approx(0.0, abs=2e-3)


def test_actions_of_another_meaning_are_refused(blind) -> None:
    blind.reset(SCENE)
    other = DeltaAction((50,) * 7, ActionSpec(translation_limit_m=0.05))
    with pytest.raises(ActionSpecMismatchError):
        blind.step(other)


def test_nothing_happens_before_a_scene_is_laid(cell) -> None:
    env = TabletopEnv(cell, SPEC, EnvOptions(render=False))
    for call in (lambda: env.step(STILL), env.privileged_state, env.verdict):
        with pytest.raises(SimulationError, match="reset"):
            call()
    env.close()


def test_timing_that_does_not_fit_is_refused(cell) -> None:
    with pytest.raises(ConfigurationError, match="timestep"):
        EnvOptions(timestep_s=0.0017)
    with pytest.raises(ConfigurationError, match="multiple"):
        TabletopEnv(cell, ActionSpec(rate_hz=15.0))

"""The environment's arm against the robot's way: executor, franky, libfranka's protocol."""

import numpy as np
import pytest
from franky_path import FrankyPath

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.tasks import sample_scene

SPEC = ActionSpec()
TASK, SEED = "pick_place_color", 3
END_TOLERANCE_M = 0.005
END_TOLERANCE_RAD = 0.01
PATH_TOLERANCE_M = 0.012
"""Root mean square along the way: actions reach the robot up to a command period late."""


def act(translation_m, rotation_rad=(0.0, 0.0, 0.0), closed=False) -> DeltaAction:
    return DeltaAction.from_values(
        np.clip(translation_m, -0.03, 0.03), np.clip(rotation_rad, -0.15, 0.15), closed, SPEC
    )


def straight() -> list[DeltaAction]:
    return [act((0.03, 0.0, 0.0))] * 6


def turning() -> list[DeltaAction]:
    return [
        act((0.02 * np.sin(k / 4), 0.02 * np.cos(k / 4), -0.003), (0.0, 0.0, 0.04))
        for k in range(30)
    ]


def wild() -> list[DeltaAction]:
    rng = np.random.default_rng(1)
    return [
        act(rng.normal(0, 0.012, 3), rng.normal(0, 0.05, 3), bool(k // 10 % 2)) for k in range(30)
    ]


@pytest.mark.parametrize("sequence", [straight, turning, wild])
def test_equal_actions_end_at_equal_places(cell, start_lab, sequence) -> None:
    actions = [*sequence(), *[act((0, 0, 0))] * 4]
    env = TabletopEnv(cell, SPEC, EnvOptions(render=False))
    env.reset(sample_scene(TASK, SEED))
    times_s, path_m = [], []

    def note(time_s: float) -> None:
        times_s.append(time_s)
        path_m.append(env.proprioception().T_base_ee[:3, 3])

    env.on_command = note
    for action in actions:
        env.step(action)
    T_env = env.proprioception().T_base_ee

    running = start_lab(task=TASK, seed=SEED, speed=4.0)
    with FrankyPath(running, cell, SPEC) as robot:
        begin_s = robot.robot_time_s()
        robot.play(actions)
        T_robot = robot.settle(0.5)
        trail = [(s - begin_s, T[:3, 3]) for s, T, _ in robot.trail if s >= begin_s]

    assert np.linalg.norm(T_robot[:3, 3] - T_env[:3, 3]) < END_TOLERANCE_M
    cosine = (np.trace(T_robot[:3, :3] @ T_env[:3, :3].T) - 1.0) / 2.0
    assert np.arccos(np.clip(cosine, -1.0, 1.0)) < END_TOLERANCE_RAD
    # both really went somewhere
    assert np.linalg.norm(T_env[:3, 3] - cell.home_tcp_m) > 0.03
    robot_times_s, robot_m = np.array([t for t, _ in trail]), np.array([p for _, p in trail])
    there_m = np.stack([np.interp(times_s, robot_times_s, robot_m[:, i]) for i in range(3)], axis=1)
    errors_m = np.linalg.norm(there_m - np.array(path_m), axis=1)
    assert np.sqrt(np.mean(errors_m**2)) < PATH_TOLERANCE_M

"""The expert: succeeds, obeys the action spec, recovers, and answers to the state alone."""

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import DeltaAction, Finished
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert import Expert
from spatialbot_sim.expert_motion import free_height_m
from spatialbot_sim.expert_noise import NoiseInjector, NoiseOptions
from spatialbot_sim.privileged import Box
from spatialbot_sim.tasks import sample_scene

SPEC = ActionSpec()
MAX_STEPS = 200


@pytest.fixture(scope="module")
def env(cell) -> TabletopEnv:
    return TabletopEnv(cell, SPEC, EnvOptions(render=False))


@pytest.fixture(scope="module")
def expert(cell) -> Expert:
    return Expert(cell, SPEC)


def play(env, expert, scene, noise=None, max_steps=MAX_STEPS) -> list[DeltaAction]:
    """Actions executed until the expert has finished, or `max_steps`."""
    executed = []
    env.reset(scene)
    while len(executed) < max_steps:
        action = expert.act(env.privileged_state(), scene)
        if isinstance(action, Finished):
            break
        executed.append(action if noise is None else noise.disturb(action))
        env.step(executed[-1])
    return executed


@pytest.mark.parametrize("seed", range(4))
def test_it_succeeds(env, expert, seed) -> None:
    scene = sample_scene("pick_place", seed)
    actions = play(env, expert, scene)
    assert env.verdict().success, env.verdict().reason
    assert 20 < len(actions) < 90
    assert isinstance(expert.act(env.privileged_state(), scene), Finished)
    for action in actions:
        assert np.linalg.norm(action.translation_m) <= EnvOptions().max_step_translation_m
        assert np.linalg.norm(action.rotation_rad) <= EnvOptions().max_step_rotation_rad


@pytest.mark.parametrize("seed", range(3))
def test_it_recovers_from_noise(env, expert, seed) -> None:
    scene = sample_scene("pick_place", seed)
    noise = NoiseInjector(NoiseOptions(), [seed, 0])
    play(env, expert, scene, noise)
    assert env.verdict().success, env.verdict().reason


def test_it_takes_up_again_what_it_lost(env, expert) -> None:
    scene = sample_scene("pick_place_color", 3)
    env.reset(scene)
    opened = False
    for _ in range(MAX_STEPS):
        state = env.privileged_state()
        decision = expert.decide(state, scene)
        if isinstance(decision.action, Finished):
            break
        lost = decision.stage == "move" and not opened
        opened |= lost
        action = decision.action
        if lost:
            action = DeltaAction((*action.bins[:6], 0), SPEC)
        env.step(action)
    assert opened
    assert env.verdict().success, env.verdict().reason


def test_its_answer_depends_on_the_state_alone(cell, env, expert) -> None:
    scene = sample_scene("pick_place", 1)
    env.reset(scene)
    states, answers = [], []
    for _ in range(40):
        states.append(env.privileged_state())
        answers.append(expert.decide(states[-1], scene))
        if isinstance(answers[-1].action, Finished):
            break
        env.step(answers[-1].action)
    rng = np.random.default_rng(0)
    for index in rng.permutation(len(states)):
        assert Expert(cell, SPEC).decide(states[index], scene) == answers[index]


def test_noise_can_be_repeated_and_is_about_as_much_as_asked_for() -> None:
    still = DeltaAction((50,) * 6 + (0,), SPEC)
    runs = []
    for _ in range(2):
        noise = NoiseInjector(NoiseOptions(), [7, 1])
        runs.append([noise.disturb(still) for _ in range(3000)])
    assert runs[0] == runs[1]
    moved = np.array([action.bins[:6] != still.bins[:6] for action in runs[0]])
    flipped = np.array([action.gripper_closed for action in runs[0]])
    # bursts of 2.5 steps on average begin at 8 % of the steps outside of bursts
    assert moved.mean() == pytest.approx(0.2 / 1.12, abs=0.05)
    assert flipped.mean() == pytest.approx(0.01, abs=0.006)
    untouched = [a for a, m, f in zip(runs[0], moved, flipped, strict=True) if not (m or f)]
    assert all(action is still for action in untouched)


@pytest.mark.parametrize("options", [{"burst_probability": 1.5}, {"max_burst_steps": 0}])
def test_noise_that_makes_no_sense_is_refused(options) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        NoiseOptions(**options)


def test_height_over_what_is_in_the_way() -> None:
    box = Box(np.array([0.5, -0.05, 0.0]), np.array([0.55, 0.05, 0.20]))
    here, there = np.array([0.52, -0.3, 0.1]), np.array([0.52, 0.3, 0.1])
    beside = np.array([0.30, -0.3, 0.1])
    over = free_height_m(here, there, [box], 0.05, 0.0)
    assert over > 0.25
    assert free_height_m(there, here, [box], 0.05, 0.0) == over
    assert free_height_m(here, beside, [box], 0.05, 0.0) < 0.12
    inside = np.array([0.52, 0.0, 0.1])
    assert free_height_m(inside, inside, [box], 0.05, 0.0) == over

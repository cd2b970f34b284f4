"""Other instructions for the same frame, and the waypoints that go with every answer."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import Finished, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_sim.annotator import Annotator
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert import Expert
from spatialbot_sim.tasks import sample_scene
from spatialbot_sim.tasks.alternatives import Alternatives
from spatialbot_sim.tasks.grammar import Words, load_grammar
from spatialbot_sim.tasks.plan import facts_of
from spatialbot_sim.tasks.reader import Reader
from spatialbot_sim.tasks.solver import solve

SPEC = ActionSpec()
SEEDS = range(40)
PICK_M, PICK_RAD, PLACE_M = 0.003, 0.05, 0.003


def without_held_out(value):
    """A grammar, or a part of one, with the words to train with only."""
    if isinstance(value, Words):
        return replace(value, held_out=())
    if isinstance(value, Mapping):
        return {key: without_held_out(part) for key, part in value.items()}
    if is_dataclass(value):
        parts = {f.name: without_held_out(getattr(value, f.name)) for f in fields(value)}
        return replace(value, **parts)
    return value


def test_what_else_is_asked_for_has_one_meaning_and_holds_out_what_tests_do() -> None:
    grammar = load_grammar()
    reader, trained = Reader(grammar), Reader(without_held_out(grammar))
    num_said = 0
    for seed in SEEDS:
        scene = sample_scene("spatialqa_e", seed)
        alternatives, rng = Alternatives(scene), np.random.default_rng(seed)
        errands = alternatives.errands()
        assert errands[0] == alternatives.own and len(set(errands)) == len(errands)
        for index in rng.permutation(len(errands))[:4]:
            errand = errands[index]
            text = alternatives.say(errand, rng)
            if not text:
                continue
            num_said += 1
            asked = alternatives.scene_of(errand)
            meanings = reader.read(text)
            assert meanings and trained.read(text), text
            for meaning in meanings:
                target, place = solve(meaning, asked)
                assert (target.only, place.only) == (errand.target, errand.destination), text
                kind = scene.object_named(errand.target).kind
                assert not grammar.is_held_out_combination(facts_of(meaning, kind)), text
    assert num_said > 2 * len(SEEDS)


@pytest.fixture(scope="module")
def rollouts(cell) -> list[tuple]:
    """Per seed the scene, and per step state, decision and annotations."""
    env = TabletopEnv(cell, SPEC, EnvOptions(render=False))
    expert = Expert(cell, SPEC)
    annotator = Annotator(expert, cell.table_top_z_m, 4)
    found = []
    for seed in range(4):
        scene = sample_scene("spatialqa_e", seed)
        env.lay(scene)
        annotator.start(scene, env.world, env.privileged_state())
        steps = []
        for number in range(150):
            state = env.privileged_state()
            decision = expert.decide(state, scene)
            said = annotator.annotate(scene, env.world, state, decision, number)
            steps.append((state, decision, said))
            if isinstance(decision.action, Finished):
                break
            env.move(decision.action)
        assert env.verdict().success, env.verdict().reason
        found.append((scene, steps))
    return found


def test_the_own_instruction_is_first_and_no_words_are_said_twice(rollouts) -> None:
    for scene, steps in rollouts:
        for _, decision, said in steps:
            assert said[0].instruction == scene.instruction
            texts = [annotation.instruction for annotation in said]
            assert len(set(texts)) == len(texts) <= 4
            if isinstance(decision.action, Finished):
                continue
            assert parse_action_text(said[0].text, SPEC) == decision.action
        assert max(len(said) for _, _, said in steps) == 4


def test_with_something_in_the_hand_only_that_is_asked_for(rollouts) -> None:
    reader = Reader(load_grammar())
    others = 0
    for scene, steps in rollouts:
        laid = Alternatives(scene)
        for state, _, said in steps:
            if not state.gripper_closed:
                continue
            for annotation in said[1:]:
                others += 1
                for meaning in reader.read(annotation.instruction):
                    target, _ = solve(meaning, laid.scene_of(laid.own))
                    assert target.only == scene.target, annotation.instruction
    assert others > 20


def test_waypoints_are_where_the_hand_closes_and_opens(rollouts) -> None:
    for _, steps in rollouts:
        closed = [state.gripper_closed for state, _, _ in steps]
        closing = closed.index(True) - 1
        opening = len(closed) - 1 - closed[::-1].index(True)
        tool = steps[closing][0].T_base_ee
        heading_rad = np.arctan2(tool[1, 0], tool[0, 0])
        for state, _, said in steps[: closing + 1]:
            pick = said[0].pick
            assert np.linalg.norm(pick[:3] - tool[:3, 3]) < PICK_M
            assert abs((pick[3] - heading_rad + np.pi) % (2 * np.pi) - np.pi) < PICK_RAD
            assert not state.gripper_closed
        state, _, said = steps[opening]
        assert said[0].pick is None
        assert np.linalg.norm(said[0].place[:3] - state.T_base_ee[:3, 3]) < PLACE_M
        assert steps[-1][2][0].pick is None and steps[-1][2][0].place is None

"""Glimpses: every moment can be set up, is what it is called, and depends on the seed alone."""

import numpy as np
import pytest

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import invert
from spatialbot_sim.collect import Job
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert import Expert
from spatialbot_sim.glimpse_collect import GlimpseCollector, GlimpseOptions
from spatialbot_sim.glimpses import GlimpseStager
from spatialbot_sim.tasks import sample_scene
from spatialbot_sim.world import ROBOT_PREFIX

SPEC = ActionSpec()
MOMENTS = {"start", "free", "above_grasp", "carry", "above_place", "released"}
SEEDS = range(60)


def touched_by_robot(world) -> set[str]:
    """Bodies that are no part of the robot and in contact with it."""
    found = set()
    for pair in world.data.contact.geom:
        names = [world.model.body(world.model.geom_bodyid[geom]).name for geom in pair]
        ours = [name.startswith(ROBOT_PREFIX) for name in names]
        if ours[0] != ours[1]:
            found.add(names[ours.index(False)])
    return found


@pytest.fixture(scope="module")
def staged(cell) -> list[tuple]:
    """Per seed: moment, scene, what is touched, state, and the state three still periods later."""
    env = TabletopEnv(cell, SPEC, EnvOptions(render=False))
    stager = GlimpseStager(env, cell, SPEC, Expert(cell, SPEC))
    found = []
    for seed in SEEDS:
        scene = sample_scene("spatialqa_e", seed)
        env.lay(scene)
        moment = stager.stage(scene)
        touched, state = touched_by_robot(env.world), env.privileged_state()
        still = DeltaAction.from_values(np.zeros(3), np.zeros(3), state.gripper_closed, SPEC)
        for _ in range(3):
            env.move(still)
        found.append((moment, scene, touched, state, env.privileged_state()))
    return found


def test_every_moment_can_be_set_up(staged) -> None:
    assert {moment for moment, *_ in staged} == MOMENTS


def test_only_the_moments_that_are_wanted_are_drawn(cell) -> None:
    env = TabletopEnv(cell, SPEC, EnvOptions(render=False))
    stager = GlimpseStager(env, cell, SPEC, Expert(cell, SPEC), ("start", "free"))
    found = set()
    for seed in range(8):
        scene = sample_scene("spatialqa_e", seed)
        env.lay(scene)
        found.add(stager.stage(scene))
    env.close()
    assert found == {"start", "free"}


@pytest.mark.parametrize("moments", [(), ("start", "lunch")])
def test_unknown_moments_are_refused(moments) -> None:
    with pytest.raises(ConfigurationError, match="choose one or more of: start, free"):
        GlimpseOptions(moments=moments)


def test_what_is_carried_is_held_and_stays_in_the_hand(staged) -> None:
    for moment, scene, touched, before, after in staged:
        if moment not in ("carry", "above_place"):
            continue
        assert touched == {scene.target}
        assert before.verdict.grasped and before.gripper_closed
        assert after.verdict.grasped
        offsets_m = [
            (invert(state.T_base_ee) @ state.poses[scene.target])[:3, 3]
            for state in (before, after)
        ]
        assert np.linalg.norm(offsets_m[1] - offsets_m[0]) < 0.003


def test_the_open_hand_touches_nothing(staged) -> None:
    for moment, _, touched, state, _ in staged:
        if moment in ("start", "free", "above_grasp", "released"):
            assert not touched
            assert not state.gripper_closed and not state.verdict.grasped


def test_what_was_released_is_where_it_shall_be(staged) -> None:
    for moment, _, _, state, _ in staged:
        assert state.verdict.success == (moment == "released")


class Keeper:
    """A test double that keeps the first frame and all labels."""

    def __init__(self) -> None:
        self.frame, self.labels, self.reason = b"", [], ""

    def finished(self, scene, variant):
        return ""

    def begin(self, start):
        self.frame, self.labels = b"", []

    def write(self, record):
        self.frame = self.frame or record.frame.color.tobytes() + record.frame.depth_mm.tobytes()
        said = [(a.instruction, a.text) for a in record.annotations]
        self.labels.append((record.text, record.action, record.stage, said))

    def end(self, label, reason, stop_ns):
        self.reason = f"{label} {reason}"
        return "kept"

    def discard(self):
        raise AssertionError("a glimpse was discarded")


@pytest.mark.parametrize("moment", ["free", "carry"])
def test_a_seed_gives_the_same_glimpse_whatever_was_done_before(cell, staged, moment) -> None:
    seed = next(k for k, (found, *_) in zip(SEEDS, staged, strict=True) if found == moment)
    runs = []
    for before in ([], [seed, 3]):
        sink = Keeper()
        collector = GlimpseCollector(cell, SPEC, GlimpseOptions(num_steps=2), sink)
        for number in [*before, seed]:
            collector.run(Job("spatialqa_e", number))
        collector.close()
        runs.append((sink.frame, sink.labels, sink.reason))
    assert runs[0] == runs[1]
    assert runs[0][2] == f"success glimpse: {moment}" and any(runs[0][0])

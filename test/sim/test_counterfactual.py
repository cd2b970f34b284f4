"""Other instructions about the same table: fair, different, and repeatable."""

import pytest

from spatialbot_sim.tasks import TASKS, sample_scene
from spatialbot_sim.tasks.counterfactual import counterfactual
from spatialbot_sim.tasks.grammar import load_grammar
from spatialbot_sim.tasks.reader import Reader
from spatialbot_sim.tasks.solver import solve

FAMILIES = [name for name in TASKS if name.startswith("spatialqa_e_")]


@pytest.mark.parametrize("task", [*FAMILIES, "pick_place"])
def test_it_asks_for_one_other_thing(task: str) -> None:
    reader = Reader(load_grammar())
    found = 0
    for seed in range(1_000_000, 1_000_012):
        scene = sample_scene(task, seed)
        other = counterfactual(scene)
        if other is None:
            continue
        found += 1
        asked = other.scene
        assert (asked.target != scene.target) == (other.changed == "object")
        assert (asked.destination != scene.destination) == (other.changed == "destination")
        assert (asked.objects, asked.boards) == (scene.objects, scene.boards)
        fits = {
            tuple(fit.only for fit in solve(meaning, scene))
            for meaning in reader.read(asked.instruction)
        }
        assert fits == {(asked.target, asked.destination)}, asked.instruction
        assert counterfactual(scene) == other
    assert found >= 6


def test_a_lone_object_with_one_place_leaves_no_other_instruction() -> None:
    answers = [
        counterfactual(sample_scene("spatialqa_e_containment", seed))
        for seed in range(1_000_000, 1_000_040)
    ]
    assert None in answers

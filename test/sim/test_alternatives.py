"""What else a table can be asked for: fits one thing only, and is never held out."""

from dataclasses import replace

import numpy as np
import pytest

from spatialbot_sim.tasks import TASKS, sample_scene
from spatialbot_sim.tasks.alternatives import Alternatives
from spatialbot_sim.tasks.grammar import load_grammar
from spatialbot_sim.tasks.plan import facts_of
from spatialbot_sim.tasks.reader import Reader
from spatialbot_sim.tasks.solver import solve, solve_phrase

FAMILIES = [name for name in TASKS if name.startswith("spatialqa_e_")]
TASK_NAMES = [*FAMILIES, "pick_place"]
SEEDS = range(-(-100 // len(TASK_NAMES)))
"""Some hundred scenes in all."""
WORDS_EACH = 3


@pytest.mark.parametrize("task", TASK_NAMES)
def test_every_instruction_fits_its_errand_alone_and_is_not_held_out(task: str) -> None:
    grammar = load_grammar()
    reader = Reader(grammar)
    said = 0
    for seed in SEEDS:
        scene = sample_scene(task, seed)
        alternatives = Alternatives(scene)
        rng = np.random.default_rng(seed)
        for errand in alternatives.errands():
            asked = alternatives.scene_of(errand)
            assert (asked.target, asked.destination) == (errand.target, errand.destination)
            kind = scene.object_named(errand.target).kind
            for _ in range(WORDS_EACH):
                text = alternatives.say(errand, rng)
                if not text:
                    continue
                said += 1
                meanings = list(reader.read(text))
                fits = {tuple(fit.only for fit in solve(m, scene)) for m in meanings}
                assert fits == {(errand.target, errand.destination)}, (seed, text)
                held_out = [grammar.is_held_out_combination(facts_of(m, kind)) for m in meanings]
                assert not any(held_out), (seed, text)
    assert said > len(SEEDS) * WORDS_EACH


def test_the_own_errand_comes_first_and_none_twice() -> None:
    for task in TASK_NAMES:
        scene = sample_scene(task, 0)
        first, *others = Alternatives(scene).errands()
        assert (first.target, first.destination) == (scene.target, scene.destination)
        assert len({first, *others}) == 1 + len(others)


def test_equal_generators_give_equal_words() -> None:
    def words() -> list[str]:
        alternatives = Alternatives(sample_scene("pick_place", 3))
        rng = np.random.default_rng(5)
        return [alternatives.say(errand, rng) for errand in alternatives.errands()]

    assert words() == words()


def test_what_is_said_of_moved_objects_fits_them_where_they_are_now() -> None:
    reader, checked = Reader(load_grammar()), 0
    for seed in range(12):
        scene = sample_scene("spatialqa_e_positional", seed)
        alternatives = Alternatives(scene)
        moved = tuple(replace(item, x_m=item.x_m, y_m=-item.y_m) for item in scene.objects)
        now = replace(scene, objects=moved)
        rng = np.random.default_rng(seed)
        for errand in alternatives.errands():
            text = alternatives.say(errand, rng, moved)
            for meaning in reader.read(text) if text else ():
                checked += 1
                fit = solve_phrase(meaning.object, now, meaning.perspective)
                assert fit.only == errand.target, (seed, text)
    assert checked

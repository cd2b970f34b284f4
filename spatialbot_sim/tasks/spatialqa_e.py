"""Scenes of SpatialQA-E: plan, lay, check, say; the same task and seed give the same scene."""

from dataclasses import replace

import numpy as np

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_sim.tasks.families import FAMILIES
from spatialbot_sim.tasks.grammar import Grammar, load_grammar
from spatialbot_sim.tasks.layout import lay
from spatialbot_sim.tasks.meaning import Meaning
from spatialbot_sim.tasks.plan import Draw, Plan, facts_of
from spatialbot_sim.tasks.scene import Novelty, Scene
from spatialbot_sim.tasks.task import Task, novelty_of
from spatialbot_sim.tasks.wording import Speaker

MIXTURE = "spatialqa_e"
_MAX_PLANS = 5_000
_TRIES_PER_PLAN = 10


def question(task: Task, seed: int, rng: np.random.Generator) -> tuple[Scene, Meaning]:
    """A scene and what its instruction means."""
    grammar = load_grammar()
    family = _choose_family(grammar, rng) if task.name == MIXTURE else task.name
    novelty = novelty_of(seed)
    draw = Draw(grammar, rng, novelty)
    rules = grammar.families[family]
    for _ in range(_MAX_PLANS):
        plan = FAMILIES[family].plan(draw, rules)
        if not _may_be(plan, grammar, novelty):
            continue
        # several tries for one plan: or else what is hard to lay would be rare
        for _ in range(_TRIES_PER_PLAN):
            scene = lay(plan, draw, task.name, seed)
            if scene is not None and _is_as_wanted(plan.meaning, scene, grammar, novelty):
                text = Speaker(grammar, rng, novelty == "paraphrase").say(plan.meaning)
                features = _features(family, plan)
                scene = replace(scene, instruction=text, novelty=novelty, features=features)
                return scene, plan.meaning
    raise ConfigurationError(
        f"no scene of {family} fits the task grammar (seed {seed}, novelty {novelty or 'none'});"
        " the YAML files in datasets/spatialqa_e leave no room for it"
    )


def lay_spatialqa_e(task: Task, seed: int, rng: np.random.Generator) -> Scene:
    """The scene of a family, or of the mixture of all."""
    return question(task, seed, rng)[0]


def _choose_family(grammar: Grammar, rng: np.random.Generator) -> str:
    weights = np.array([grammar.families[name].weight for name in FAMILIES])
    return list(FAMILIES)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _may_be(plan: Plan, grammar: Grammar, novelty: Novelty) -> bool:
    """Cheap look at a plan, before it is laid: any candidate could make a wanted scene."""
    candidates = plan.items[: plan.num_candidates]
    held_out = [
        grammar.is_held_out_combination(facts_of(plan.meaning, item.kind)) for item in candidates
    ]
    return any(held_out) if novelty == "combination" else not all(held_out)


def _is_as_wanted(meaning: Meaning, scene: Scene, grammar: Grammar, novelty: Novelty) -> bool:
    """What is held out is there in scenes that test it, and in no others."""
    target = scene.object_named(scene.target)
    combination = grammar.is_held_out_combination(facts_of(meaning, target.kind))
    if combination != (novelty == "combination"):
        return False
    if novelty == "object":
        return grammar.is_held_out_object(target.kind, target.color)
    return not any(grammar.is_held_out_object(item.kind, item.color) for item in scene.objects)


def _features(family: str, plan: Plan) -> tuple[str, ...]:
    meaning = plan.meaning
    features = [f"family:{family.removeprefix(MIXTURE + '_')}"]
    for role, relation in (("object", meaning.object.relation), ("place", meaning.place.relation)):
        if relation is not None:
            features.append(f"{role}:{relation.word}:{relation.degree}")
    features.append(f"destination:{meaning.place_relation}:{meaning.place_kind}")
    if meaning.perspective_said:
        features.append(f"perspective:{meaning.perspective}")
    if plan.num_prints:
        features.append("illusion")
    if plan.num_obstacles:
        features.append("obstacle")
    return tuple(features)


SPATIALQA_E = (
    Task(MIXTURE, "all families of SpatialQA-E, mixed", lay_spatialqa_e),
    *(Task(name, family.description, lay_spatialqa_e) for name, family in FAMILIES.items()),
)
"""The families of the SpatialQA-E dataset."""

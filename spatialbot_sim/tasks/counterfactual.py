"""Another instruction for the same table: another object or another destination.

A policy that has learned what usually goes where does well on a scene's own instruction; whether it
listens shows when the words change and nothing else does. The new instruction is of the same
grammar, fits one thing only, and the judge goes by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from spatialbot_sim.tasks.grammar import Grammar, load_grammar
from spatialbot_sim.tasks.meaning import Meaning
from spatialbot_sim.tasks.phrases import likeness_of, meaning_of, phrases_for
from spatialbot_sim.tasks.plan import facts_of
from spatialbot_sim.tasks.scene import Scene
from spatialbot_sim.tasks.solver import solve
from spatialbot_sim.tasks.wording import Speaker

Changed = Literal["object", "destination"]

_SALT = 77_377


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """A scene with another instruction, and what of it has changed."""

    scene: Scene
    changed: Changed


def counterfactual(scene: Scene) -> Counterfactual | None:
    """The same table with another instruction; None when the table allows no other.

    Changes the object or the destination, evenly where both can be; the same scene gives the same
    answer.
    """
    rng = np.random.default_rng([_SALT, scene.seed % 2**63])
    order: list[Changed] = ["object", "destination"]
    if rng.random() < 0.5:
        order.reverse()
    grammar, meaning = load_grammar(), meaning_of(scene)
    for changed in order:
        choices = list(_others(scene, meaning, changed, grammar))
        if not choices:
            continue
        names = sorted({name for name, _ in choices})
        wanted = names[int(rng.integers(len(names)))]
        meanings = [found for name, found in choices if name == wanted]
        likeness = [_likeness(found, meaning, changed) for found in meanings]
        best = [m for m, like in zip(meanings, likeness, strict=True) if like == max(likeness)]
        said = best[int(rng.integers(len(best)))]
        speaker = Speaker(grammar, rng, scene.novelty == "paraphrase")
        asked = replace(scene, instruction=speaker.say(said))
        if changed == "object":
            return Counterfactual(replace(asked, target=wanted), changed)
        asked = replace(asked, destination=wanted, relation=said.place_relation, aim_xy_m=None)
        return Counterfactual(asked, changed)
    return None


def _others(
    scene: Scene, meaning: Meaning, changed: Changed, grammar: Grammar
) -> Iterator[tuple[str, Meaning]]:
    """Names of other things, each with meanings that differ in that thing alone."""
    if changed == "object":
        for item in scene.objects:
            if item.name != scene.target:
                for phrase in phrases_for(scene, item, meaning.perspective, grammar):
                    found = replace(meaning, object=phrase)
                    if _is_fair(found, scene, item.kind, grammar):
                        yield item.name, found
        return
    for board in scene.boards:
        # what was to go somewhere else may lie on that board already
        if board.name != scene.destination and scene.relation == "on":
            for phrase in phrases_for(scene, board, meaning.perspective, grammar):
                found = replace(meaning, place=phrase)
                if _is_fair(found, scene, scene.object_named(scene.target).kind, grammar):
                    yield board.name, found


def _is_fair(meaning: Meaning, scene: Scene, kind: str, grammar: Grammar) -> bool:
    fits = solve(meaning, scene)
    clear = all(fit.only is not None for fit in fits)
    return clear and not grammar.is_held_out_combination(facts_of(meaning, kind))


def _likeness(found: Meaning, meaning: Meaning, changed: Changed) -> int:
    """How much the new phrase is built like the old one."""
    if changed == "object":
        return likeness_of(found.object, meaning.object)
    return likeness_of(found.place, meaning.place)

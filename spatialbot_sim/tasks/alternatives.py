"""Everything else that one table allows to be asked for, in words for training.

One frame with several instructions teaches to listen, because nothing but the words differs. All
of them are of the same grammar, fit one object and one destination only, and hold out what test
scenes hold out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatialbot_sim.objects import PlacedObject
from spatialbot_sim.tasks.grammar import load_grammar
from spatialbot_sim.tasks.meaning import Meaning, NounPhrase, Perspective
from spatialbot_sim.tasks.phrases import likeness_of, meaning_of, phrases_for, referring_phrases
from spatialbot_sim.tasks.plan import facts_of
from spatialbot_sim.tasks.scene import PlaceRelation, Scene
from spatialbot_sim.tasks.solver import solve_phrase
from spatialbot_sim.tasks.wording import Speaker

_OWN_VIEWER = 0.7
"""Share of instructions that speak from the viewer of the scene's own one."""
_ALIKE = 0.5
"""Share of phrases that are built like the scene's own one."""
_REAL = 0.5
_TRIES = 8
_RELATIONS: dict[str, tuple[PlaceRelation, ...]] = {
    "board": ("on",),
    "box": ("in", "inside"),
    "area": ("inside",),
}
"""How a thing can be told to lie to a place of a kind."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Which object goes where; bodies' names."""

    target: str
    destination: str


class Alternatives:
    """What can be asked for about a scene; deterministic in the scene and the generators given.

    Args:
        scene: as it was laid, with its own instruction.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._grammar = load_grammar()
        self._meaning = meaning_of(scene)
        self._known: dict[str, list[list[NounPhrase]]] = {}

    @property
    def own(self) -> Errand:
        """Of the scene's own instruction."""
        return Errand(self._scene.target, self._scene.destination)

    def errands(self) -> list[Errand]:
        """All of them, the own one first: any object, onto any board or into a box or area.

        Some may be done already, or find their place taken: that is for the world to tell.
        """
        scene = self._scene
        places = [*(board.name for board in scene.boards)]
        places += [holder.name for holder in scene.holders if holder.kind in _RELATIONS]
        if scene.relation == "outside":
            # outside there is one good point, and that is for one object
            places.remove(scene.destination)
        errands = [Errand(item.name, place) for item in scene.objects for place in places]
        return [self.own, *(errand for errand in errands if errand != self.own)]

    def scene_of(self, errand: Errand) -> Scene:
        """The same table with another errand, still with the own words."""
        scene = self._scene
        if errand.destination == scene.destination:
            return replace(scene, target=errand.target)
        relation = _RELATIONS[scene.place_named(errand.destination).kind][0]
        return replace(
            scene,
            target=errand.target,
            destination=errand.destination,
            relation=relation,
            aim_xy_m=None,
        )

    def say(
        self, errand: Errand, rng: np.random.Generator, moved: Sequence[PlacedObject] = ()
    ) -> str:
        """Words for an errand, "" when the draws found none.

        Args:
            moved: the objects where they are now, when they are no longer where they were laid.
                What is said then holds of both tables.
        """
        speaker = Speaker(self._grammar, rng)
        for _ in range(_TRIES):
            meaning = self._mean(errand, rng, tuple(moved))
            if meaning is not None:
                return speaker.say(meaning)
        return ""

    def _mean(
        self, errand: Errand, rng: np.random.Generator, moved: tuple[PlacedObject, ...]
    ) -> Meaning | None:
        meaning, scene = self._meaning, self._scene
        if rng.random() >= _OWN_VIEWER:
            viewers: tuple[tuple[Perspective, bool], ...]
            viewers = (("camera", False), ("camera", True), ("robot", True))
            perspective, said = viewers[int(rng.integers(len(viewers)))]
            meaning = replace(meaning, perspective=perspective, perspective_said=said)
        if errand.destination != scene.destination:
            relations = _RELATIONS[scene.place_named(errand.destination).kind]
            relation = relations[int(rng.integers(len(relations)))]
            meaning = replace(meaning, place_relation=relation)
        target = self._pick(errand.target, meaning.perspective, meaning.object, rng)
        place = self._pick(errand.destination, meaning.perspective, meaning.place, rng)
        if target is None or place is None:
            return None
        if moved:
            now = replace(scene, objects=moved)
            if solve_phrase(target, now, meaning.perspective).only != errand.target:
                return None
        reference = None if target.relation is None else target.relation.reference
        if reference is not None and reference.kind == place.named.kind:
            # "the ball outside the box inside the box" can be read in two ways
            return None
        if any(sheet.item.kind == target.named.kind for sheet in scene.prints):
            target = replace(target, real=bool(rng.random() < _REAL))
        meaning = replace(meaning, object=target, place=place)
        kind = scene.object_named(errand.target).kind
        held_out = self._grammar.is_held_out_combination(facts_of(meaning, kind))
        return None if held_out else meaning

    def _pick(
        self, name: str, perspective: Perspective, own: NounPhrase, rng: np.random.Generator
    ) -> NounPhrase | None:
        """One phrase for a thing: like the own one, or of any build."""
        builds = [build for build in self._builds(name, perspective) if build]
        if not builds:
            return None
        if rng.random() < _ALIKE:
            phrases = [phrase for build in builds for phrase in build]
            likeness = [likeness_of(phrase, own) for phrase in phrases]
            chosen = [p for p, n in zip(phrases, likeness, strict=True) if n == max(likeness)]
        else:
            chosen = builds[int(rng.integers(len(builds)))]
        return chosen[int(rng.integers(len(chosen)))]

    def _builds(self, name: str, perspective: Perspective) -> list[list[NounPhrase]]:
        """Phrases for a thing without a relation, with one, and with one to another thing."""
        key = f"{perspective} {name}"
        if key not in self._known:
            scene, grammar = self._scene, self._grammar
            items = {item.name: item for item in scene.objects}
            thing = items.get(name) or scene.place_named(name)
            phrases = list(phrases_for(scene, thing, perspective, grammar))
            referring = (
                list(referring_phrases(scene, items[name], perspective, grammar))
                if name in items
                else []
            )
            self._known[key] = [
                [phrase for phrase in phrases if phrase.relation is None],
                [phrase for phrase in phrases if phrase.relation is not None],
                referring,
            ]
        return self._known[key]

"""Noun phrases that fit one thing of a table and nothing else."""

from collections.abc import Iterator

from spatialbot_sim.objects import PlacedBoard, PlacedHolder, PlacedObject
from spatialbot_sim.tasks.grammar import Grammar, load_grammar
from spatialbot_sim.tasks.meaning import Degree, Meaning, Named, NounPhrase, Perspective, Relation
from spatialbot_sim.tasks.scene import Scene
from spatialbot_sim.tasks.solver import solve_phrase
from spatialbot_sim.tasks.spatialqa_e import SPATIALQA_E, question

_DEGREES: tuple[Degree, ...] = ("positive", "comparative", "superlative")
_REFERENCE_DEGREES: tuple[Degree, ...] = ("positive_reference", "comparative_reference")
_OBJECT_WORDS = (
    *("left", "right", "near", "far", "middle", "up", "down"),
    *("tall", "short", "wide", "thin", "large", "small"),
)
_PLACE_WORDS = ("left", "right", "near", "far", "large", "small")
_HOLDERS: dict[str, tuple[str, ...]] = {
    "on": ("stand",),
    "in": ("box",),
    "inside": ("box", "area"),
    "outside": ("box", "area"),
}
"""Kinds of places that these words relate to."""


def meaning_of(scene: Scene) -> Meaning:
    """What a scene's own instruction means: as it was planned, or in the plainest words."""
    for task in SPATIALQA_E:
        if task.name == scene.task:
            return question(task, scene.seed, task.rng(scene.seed))[1]
    grammar = load_grammar()
    target = next(phrases_for(scene, scene.object_named(scene.target), "camera", grammar))
    place = next(phrases_for(scene, scene.place_named(scene.destination), "camera", grammar))
    return Meaning(target, scene.relation, place)


def phrases_for(
    scene: Scene,
    thing: PlacedObject | PlacedBoard | PlacedHolder,
    perspective: Perspective,
    grammar: Grammar,
) -> Iterator[NounPhrase]:
    """Phrases that fit this thing and nothing else, the plainest first; none names another."""
    is_object = isinstance(thing, PlacedObject)
    relations: list[Relation | None] = [None]
    for word in _OBJECT_WORDS if is_object else _PLACE_WORDS:
        relations += [Relation(word, d) for d in _DEGREES if d in grammar.relations[word]]
    for relation in relations:
        for named in _names(thing):
            if relation is None and named.kind == "object":
                continue
            phrase = NounPhrase(named, relation)
            if solve_phrase(phrase, scene, perspective).only == thing.name:
                yield phrase


def referring_phrases(
    scene: Scene, item: PlacedObject, perspective: Perspective, grammar: Grammar
) -> Iterator[NounPhrase]:
    """Phrases that fit this object alone and name another thing, such as `left of the cup`."""
    holders = {holder.kind for holder in scene.holders}
    others = {
        named
        for other in scene.objects
        if other.name != item.name
        for named in _names(other)
        if named.kind != "object"
    }
    for word, degrees in grammar.relations.items():
        references = others
        if word in _HOLDERS:
            references = {Named(kind) for kind in holders.intersection(_HOLDERS[word])}
        for degree in _REFERENCE_DEGREES:
            if degree not in degrees:
                continue
            # sorted: the order of a set of texts changes from process to process
            for reference in sorted(references, key=str):
                for named in _names(item):
                    phrase = NounPhrase(named, Relation(word, degree, reference))
                    if solve_phrase(phrase, scene, perspective).only == item.name:
                        yield phrase


def likeness_of(phrase: NounPhrase, other: NounPhrase) -> int:
    """How much two phrases are built alike, 0 to 5."""
    degrees = [None if p.relation is None else p.relation.degree for p in (phrase, other)]
    return (
        2 * ((phrase.relation is None) == (other.relation is None))
        + (degrees[0] == degrees[1])
        + ((phrase.named.kind == "object") == (other.named.kind == "object"))
        + ((phrase.named.color is None) == (other.named.color is None))
    )


def _names(thing: PlacedObject | PlacedBoard | PlacedHolder) -> list[Named]:
    """What a thing can be called, the plainest first."""
    names = [Named(thing.kind)]
    color = getattr(thing, "color", None)
    if color is not None:
        names.append(Named(thing.kind, color))
    if isinstance(thing, PlacedObject):
        names.append(Named("object"))
    return names

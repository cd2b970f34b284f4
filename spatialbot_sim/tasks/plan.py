"""What a scene shall be about, decided before anything has a position."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

import numpy as np

from spatialbot_sim.objects import STRETCHABLE, ObjectKind, Pattern, PlaceKind
from spatialbot_sim.tasks.grammar import FamilyRules, Grammar, KindRules
from spatialbot_sim.tasks.meaning import (
    Degree,
    Meaning,
    Named,
    NounPhrase,
    Perspective,
    Relation,
)
from spatialbot_sim.tasks.scene import Novelty, PlaceRelation

T = TypeVar("T")

SIZE_WORDS = ("tall", "short", "wide", "thin", "large", "small")
_SUPERLATIVE_COUNT = 3


@dataclass(frozen=True, slots=True)
class Item:
    """An object without a position; `base_z_m` as in `PlacedObject`."""

    kind: ObjectKind
    color: str
    width_scale: float
    height_scale: float
    pattern: Pattern
    base_z_m: float = 0.0


@dataclass(slots=True)
class Plan:
    """What a scene shall be about.

    Attributes:
        items: all real objects; any of the first `num_candidates` may turn out to be the target.
        held: which item starts in the middle holder, or None.
        middle: kind of the holder in the objects' part of the table, or None.
        num_obstacles: tall things between objects and destination.
        num_prints: pictures of the first item.
        swap_first: the first item is the target and nothing else will do.
    """

    meaning: Meaning
    items: list[Item]
    num_candidates: int = 1
    held: int | None = None
    middle: PlaceKind | None = None
    num_obstacles: int = 0
    num_prints: int = 0
    features: tuple[str, ...] = field(default=())


class Draw:
    """Random choices that keep to what a split allows.

    Args:
        novelty: "object" lets held-out objects in; everywhere else they are kept out.
    """

    def __init__(self, grammar: Grammar, rng: np.random.Generator, novelty: Novelty) -> None:
        self.grammar, self.rng, self.novelty = grammar, rng, novelty

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, probability: float) -> bool:
        """True that often."""
        return bool(self.rng.random() < probability)

    def count(self, least: int, most: int) -> int:
        """A whole number, both ends included."""
        return int(self.rng.integers(least, most + 1))

    def pairs(self, kinds: Sequence[ObjectKind], held_out: bool) -> list[tuple[ObjectKind, str]]:
        """Kinds with colours that are held out, or that are not."""
        return [
            (kind, color)
            for kind in kinds
            for color in self.grammar.kinds[kind].colors
            if self.grammar.is_held_out_object(kind, color) == held_out
        ]

    def target_pair(self, kinds: Sequence[ObjectKind]) -> tuple[ObjectKind, str]:
        """Kind and colour of an object that may be asked for: each kind as often as any."""
        pairs = self.pairs(kinds, held_out=self.novelty == "object")
        pairs = pairs or self.pairs(kinds, held_out=False)
        kind = self.pick(sorted({kind for kind, _ in pairs}))
        return self.pick([pair for pair in pairs if pair[0] == kind])

    def other_pair(
        self, unlike: Sequence[tuple[ObjectKind, str]], kinds: Sequence[ObjectKind] | None = None
    ) -> tuple[ObjectKind, str]:
        """Kind and colour of one that is none of those."""
        pairs = self.pairs(kinds or tuple(self.grammar.kinds), held_out=False)
        pairs = [pair for pair in pairs if pair not in unlike]
        kind = self.pick(sorted({kind for kind, _ in pairs}))
        return self.pick([pair for pair in pairs if pair[0] == kind])

    def item(self, kind: ObjectKind, color: str) -> Item:
        """Such an object of any size."""
        rules = self.grammar.kinds[kind]
        width = float(self.rng.uniform(*_mild(rules.width)))
        stretch = kind in STRETCHABLE
        height = float(self.rng.uniform(*_mild(rules.height))) if stretch else width
        return Item(kind, color, width, height, self.pick(rules.patterns))

    def sized_items(self, kind: ObjectKind, color: str, word: str, count: int) -> list[Item]:
        """Such objects in clearly different sizes, in random order."""
        rules = self.grammar.kinds[kind]
        low, high = _scales_of(word, rules, kind in STRETCHABLE)
        ratio = (high / low) ** (1 / (count - 1))
        # nothing shall depend on the largest always being as large as can be
        ratio = float(self.rng.uniform(max(1.24, ratio * 0.93), max(1.24, ratio)))
        least = float(self.rng.uniform(low, max(low, high / ratio ** (count - 1))))
        pattern = self.pick(rules.patterns)
        items = []
        for step in self.rng.permutation(count):
            scale = min(high, least * ratio ** int(step))
            width = height = scale
            if kind in STRETCHABLE and word in ("tall", "short"):
                width = float(self.rng.uniform(*_mild(rules.width)))
            elif kind in STRETCHABLE and word in ("wide", "thin"):
                height = float(self.rng.uniform(*_mild(rules.height)))
            items.append(Item(kind, color, width, height, pattern))
        return items

    def relation(self, rules: FamilyRules) -> tuple[str, Degree]:
        """A relation and a degree that there are words for: each relation as often as any."""
        word = self.pick(rules.relations)
        degrees = [d for d in self.grammar.relations[word] if d in rules.degrees]
        return word, self.pick(degrees)

    def place(
        self, words: Sequence[str] = ("left", "right", "near", "far", "large", "small")
    ) -> tuple[PlaceRelation, NounPhrase]:
        """One of two boards."""
        word = self.pick(words)
        degrees: tuple[Degree, ...] = ("positive", "comparative", "superlative")
        # "left" is what people say of two boards
        degree = "positive" if self.chance(0.5) else self.pick(degrees)
        return "on", NounPhrase(Named("board"), Relation(word, degree))

    def single_place(self) -> tuple[PlaceRelation, NounPhrase]:
        """The only box or marked area."""
        kind: PlaceKind = self.pick(("box", "area"))
        words = self.grammar.prepositions[kind]
        colors = self.grammar.places[kind].colors
        color = self.pick(colors) if self.chance(0.3) else None
        return cast(PlaceRelation, self.pick(tuple(words))), NounPhrase(Named(kind, color))

    def count_for(self, degree: Degree, most: int) -> int:
        """How many things of a kind a degree is used for."""
        if degree in ("positive", "comparative"):
            return 2
        return self.count(min(_SUPERLATIVE_COUNT, most), most)


def _mild(span: tuple[float, float]) -> tuple[float, float]:
    """The part of a size range around the nominal size."""
    return max(span[0], 0.85), min(span[1], 1.12)


def _scales_of(word: str, rules: KindRules, stretchable: bool) -> tuple[float, float]:
    if word in ("tall", "short") and stretchable:
        return rules.height
    if word in ("wide", "thin") and stretchable:
        return rules.width
    return max(rules.width[0], rules.height[0]), min(rules.width[1], rules.height[1])


def facts_of(meaning: Meaning, kind: str) -> dict[str, str | None]:
    """What a held-out combination is recognised by; `kind` is the target's."""
    relation, which = meaning.object.relation, meaning.place.relation
    return {
        "kind": kind,
        "relation": None if relation is None else relation.word,
        "degree": None if relation is None else relation.degree,
        "which": None if which is None else which.word,
        "place": meaning.place.named.kind,
        "perspective": meaning.perspective,
    }


PERSPECTIVES: tuple[Perspective, ...] = ("camera", "robot")

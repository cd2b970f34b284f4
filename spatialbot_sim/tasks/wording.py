"""From a meaning to words; `reader` goes the other way.

In training scenes every phrase is one to train with; a scene that tests paraphrases has a held-out
sentence and held-out phrases wherever there are any.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialbot_sim.tasks.grammar import Grammar, Words
from spatialbot_sim.tasks.meaning import Meaning, Named, NounPhrase

_HELD_OUT_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Speaker:
    """Words for meanings.

    Attributes:
        paraphrase: speak in held-out words.
    """

    grammar: Grammar
    rng: np.random.Generator
    paraphrase: bool = False

    def say(self, meaning: Meaning) -> str:
        """One instruction that means this."""
        grammar = self.grammar
        preposition = self._pick(
            grammar.prepositions[meaning.place_kind][meaning.place_relation],
        )
        sentence = self._pick(grammar.sentences, always=True).format(
            object=self.noun_phrase(meaning.object),
            place=f"{preposition} {self.noun_phrase(meaning.place)}",
        )
        if meaning.avoid is not None:
            nouns = next(
                rules.nouns for kind, rules in grammar.obstacles.items() if kind == meaning.avoid
            )
            sentence += " " + self._pick(grammar.avoidance).format(obstacle=self._pick(nouns))
        if meaning.perspective_said:
            viewer = self._pick(grammar.perspectives[meaning.perspective])
            sentence = (
                f"{viewer}, {sentence}" if self.rng.random() < 0.4 else f"{sentence}, {viewer}"
            )
        return sentence

    def noun_phrase(self, phrase: NounPhrase) -> str:
        """Such as `the leftmost real teacup`."""
        noun = self._noun(phrase.named)
        if phrase.real:
            noun = f"{self._pick(self.grammar.real)} {noun}"
        if phrase.relation is None:
            return f"the {noun}"
        relation = phrase.relation
        words = self._pick(self.grammar.relations[relation.word][relation.degree])
        reference = "" if relation.reference is None else f"the {self._noun(relation.reference)}"
        return "the " + words.format(n=noun, ref=reference)

    def _noun(self, named: Named) -> str:
        noun = self._pick(nouns_of(self.grammar, named.kind))
        return noun if named.color is None else f"{named.color} {noun}"

    def _pick(self, words: Words, always: bool = False) -> str:
        held_out = self.paraphrase and bool(words.held_out)
        held_out = held_out and (always or self.rng.random() < _HELD_OUT_SHARE)
        choices: Sequence[str] = words.held_out if held_out else words.train
        return choices[int(self.rng.integers(len(choices)))]


def nouns_of(grammar: Grammar, kind: str) -> Words:
    """What a kind of object or place is called; "object" means any object."""
    if kind == "object":
        return grammar.any_object
    nouns: dict[str, Words] = {name: rules.nouns for name, rules in grammar.kinds.items()}
    nouns |= {name: rules.nouns for name, rules in grammar.places.items()}
    if kind in nouns:
        return nouns[kind]
    raise AssertionError(f"no meaning has the kind {kind!r}")

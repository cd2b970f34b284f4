"""From words to meanings: all that an instruction can mean by the grammar.

The instructions are meant to have exactly one meaning; that is tested, not assumed.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from spatialbot_sim.objects import PAINTS
from spatialbot_sim.tasks.grammar import Grammar
from spatialbot_sim.tasks.meaning import Degree, Meaning, Named, NounPhrase, Perspective, Relation
from spatialbot_sim.tasks.wording import nouns_of


@dataclass(frozen=True, slots=True)
class _NounPattern:
    pattern: re.Pattern[str]
    word: str | None
    degree: Degree | None


class Reader:
    """Reads the instructions of a grammar."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._kinds: dict[str, list[str]] = {}
        for kind in ("object", *grammar.kinds, *grammar.places):
            for noun in nouns_of(grammar, kind).all:
                self._kinds.setdefault(noun, []).append(kind)
        self._noun_patterns = list(self._compile_nouns())
        self._sentences = [
            tuple(re.split(r"\{object\}|\{place\}", text)) for text in grammar.sentences.all
        ]
        self._read_nouns = functools.lru_cache(maxsize=4096)(self._read_nouns_once)

    def read(self, text: str) -> tuple[Meaning, ...]:
        """Every meaning of an instruction; empty when it is not of this grammar."""
        found: list[Meaning] = []
        for rest, viewer, avoid in self._strip(text):
            for before, between, after in self._sentences:
                if not (rest.startswith(before) and rest.endswith(after)):
                    continue
                inner = rest[len(before) : len(rest) - len(after)]
                for match in re.finditer(re.escape(between), inner):
                    objects = self._read_nouns(inner[: match.start()])
                    if not objects:
                        continue
                    for place in self._read_places(inner[match.end() :]):
                        found += [
                            replace(
                                place,
                                object=item,
                                perspective=viewer or "camera",
                                perspective_said=viewer is not None,
                                avoid=avoid,
                            )
                            for item in objects
                            if item.named.kind not in self._grammar.places
                        ]
        return tuple(dict.fromkeys(found))

    def _strip(self, text: str) -> Iterator[tuple[str, Perspective | None, str | None]]:
        """The sentence without what is said about viewer and obstacles, and that."""
        viewer: Perspective | None = None
        for name, words in self._grammar.perspectives.items():
            for phrase in words.all:
                if text.startswith(f"{phrase}, ") or text.endswith(f", {phrase}"):
                    text = text.removeprefix(f"{phrase}, ").removesuffix(f", {phrase}")
                    viewer = name
        yield text, viewer, None
        for kind, rules in self._grammar.obstacles.items():
            for phrase in self._grammar.avoidance.all:
                for noun in rules.nouns.all:
                    ending = " " + phrase.format(obstacle=noun)
                    if text.endswith(ending):
                        yield text.removesuffix(ending), viewer, kind

    def _read_places(self, text: str) -> Iterator[Meaning]:
        nothing = NounPhrase(Named("object"))
        for kind, relations in self._grammar.prepositions.items():
            for relation, words in relations.items():
                for preposition in words.all:
                    if text.startswith(f"{preposition} the "):
                        for phrase in self._read_nouns(text[len(preposition) + 1 :]):
                            if phrase.named.kind == kind and not phrase.real:
                                # the reader of YAML has checked the word
                                yield Meaning(nothing, relation, phrase)  # type: ignore[arg-type]

    def _read_nouns_once(self, text: str) -> tuple[NounPhrase, ...]:
        found = []
        for item in self._noun_patterns:
            match = item.pattern.fullmatch(text)
            if match is None:
                continue
            groups = match.groupdict()
            for kind in self._kinds[groups["noun"]]:
                named = Named(kind, groups["color"])
                real = groups["real"] is not None
                if item.word is None or item.degree is None:
                    found.append(NounPhrase(named, None, real))
                    continue
                references: list[Named | None] = [None]
                if groups.get("ref_noun"):
                    kinds = self._kinds[groups["ref_noun"]]
                    references = [Named(k, groups["ref_color"]) for k in kinds]
                for reference in references:
                    relation = Relation(item.word, item.degree, reference)
                    found.append(NounPhrase(named, relation, real))
        return tuple(dict.fromkeys(found))

    def _compile_nouns(self) -> Iterator[_NounPattern]:
        nouns = "|".join(sorted(map(re.escape, self._kinds), key=len, reverse=True))
        colors, reals = "|".join(PAINTS), "|".join(self._grammar.real.all)
        noun = f"(?:(?P<real>{reals}) )?(?:(?P<color>{colors}) )?(?P<noun>{nouns})"
        reference = f"the (?:(?P<ref_color>{colors}) )?(?P<ref_noun>{nouns})"
        yield _NounPattern(re.compile(f"the {noun}"), None, None)
        for word, degrees in self._grammar.relations.items():
            for degree, words in degrees.items():
                for phrase in words.all:
                    text = "the " + re.escape(phrase)
                    text = text.replace(r"\{n\}", noun).replace(r"\{ref\}", reference)
                    yield _NounPattern(re.compile(text), word, degree)

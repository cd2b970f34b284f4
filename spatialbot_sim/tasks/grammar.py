"""The task grammar of ``datasets/spatialqa_e``: words, sizes, families and splits, checked.

Every phrase list has words for training and words that are held out for test scenes.
"""

import functools
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.yaml_text import parse_yaml
from spatialbot_sim.objects import PAINTS, ObjectKind, ObstacleKind, Pattern, PlaceKind
from spatialbot_sim.tasks.meaning import Degree, Perspective

FOLDER = "datasets/spatialqa_e"
_MIXED_KEYS = {"kind", "relation", "degree", "which", "place", "perspective"}


@dataclass(frozen=True, slots=True)
class Words:
    """Alternatives that mean the same."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """Both."""
        return self.train + self.held_out


@dataclass(frozen=True, slots=True)
class KindRules:
    """What objects of a kind there are; sizes are factors of the nominal one."""

    nouns: Words
    colors: tuple[str, ...]
    width: tuple[float, float]
    height: tuple[float, float]
    patterns: tuple[Pattern, ...]
    printable: bool


@dataclass(frozen=True, slots=True)
class PlaceRules:
    """What boards, boxes, areas and stands there are."""

    nouns: Words
    colors: tuple[str, ...]
    scales: tuple[float, ...]
    heights_m: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ObstacleRules:
    """What can be in the way."""

    nouns: Words
    height_m: tuple[float, float]


@dataclass(frozen=True, slots=True)
class FamilyRules:
    """What a family varies.

    Attributes:
        step: of the paper's four.
        weight: share in the mixture, relative to the other weights.
        count: least and most objects.
        relations, degrees: that its noun phrases have; empty for families without.
    """

    step: int
    weight: float
    count: tuple[int, int]
    relations: tuple[str, ...]
    degrees: tuple[Degree, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """The whole grammar; see the YAML files for the meaning of each part."""

    kinds: Mapping[ObjectKind, KindRules]
    any_object: Words
    real: Words
    places: Mapping[PlaceKind, PlaceRules]
    obstacles: Mapping[ObstacleKind, ObstacleRules]
    relations: Mapping[str, Mapping[Degree, Words]]
    prepositions: Mapping[PlaceKind, Mapping[str, Words]]
    sentences: Words
    perspectives: Mapping[Perspective, Words]
    avoidance: Words
    families: Mapping[str, FamilyRules]
    first_test_seed: int
    held_out_objects: tuple[Mapping[str, str], ...]
    held_out_combinations: tuple[Mapping[str, str], ...]

    def is_held_out_object(self, kind: str, color: str) -> bool:
        """True when such an object may stand in test scenes only."""
        facts = {"kind": kind, "color": color}
        return any(_fits(entry, facts) for entry in self.held_out_objects)

    def is_held_out_combination(self, facts: Mapping[str, str | None]) -> bool:
        """True when a scene with these facts may be a test scene only."""
        return any(_fits(entry, facts) for entry in self.held_out_combinations)


@functools.cache
def load_grammar() -> Grammar:
    """The shipped grammar, read once.

    Raises:
        ConfigurationError: a file is missing, malformed or contradicts itself.
    """
    return read_grammar(find_resource(FOLDER))


def read_grammar(folder: Path) -> Grammar:
    """Read and check the five files of a grammar.

    Raises:
        ConfigurationError: names the file and the key that is wrong.
    """
    objects = _File(folder / "objects.yaml")
    relations = _File(folder / "relations.yaml")
    templates = _File(folder / "templates.yaml")
    families = _File(folder / "families.yaml")
    splits = _File(folder / "splits.yaml")
    grammar = Grammar(
        kinds=objects.each("objects", get_args(ObjectKind), _kind_rules),
        any_object=objects.words("any_object"),
        real=objects.words("real"),
        places=objects.each("places", get_args(PlaceKind), _place_rules),
        obstacles=objects.each("obstacles", get_args(ObstacleKind), _obstacle_rules),
        relations={
            word: {
                cast(Degree, degree): relations.words("relations", word, degree, fields={"n"})
                for degree in relations.keys("relations", word, valid=get_args(Degree))
            }
            for word in relations.keys("relations")
        },
        prepositions={
            cast(PlaceKind, kind): {
                word: relations.words("prepositions", kind, word)
                for word in relations.keys(
                    "prepositions", kind, valid=("on", "in", "inside", "outside")
                )
            }
            for kind in relations.keys("prepositions", valid=get_args(PlaceKind))
        },
        sentences=templates.words("sentences", fields={"object", "place"}),
        perspectives={
            cast(Perspective, viewer): templates.words("perspectives", viewer)
            for viewer in templates.keys("perspectives", valid=("camera", "robot"))
        },
        avoidance=templates.words("avoidance", fields={"obstacle"}),
        families={
            name: _family_rules(families, "families", name) for name in families.keys("families")
        },
        first_test_seed=int(splits.number("first_test_seed")),
        held_out_objects=splits.entries("objects", {"kind", "color"}),
        held_out_combinations=splits.entries("combinations", _MIXED_KEYS),
    )
    for name, rules in grammar.families.items():
        for word in rules.relations:
            if word not in grammar.relations:
                raise ConfigurationError(
                    f"{families.path}: families.{name}.relations has {word!r}, for which"
                    f" relations.yaml has no words; it has {', '.join(grammar.relations)}"
                )
    return grammar


class _File:
    """One YAML file whose complaints name file and key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data: Any = parse_yaml(path.read_bytes())
        except OSError as error:
            raise ConfigurationError(f"the task grammar lacks {path}: {error}") from error
        except yaml.YAMLError as error:
            raise ConfigurationError(f"{path} is no YAML: {error}") from error

    def at(self, *keys: str) -> Any:
        """The value under nested keys."""
        data = self._data
        for depth, key in enumerate(keys):
            if not isinstance(data, Mapping) or key not in data:
                raise self.wrong(keys[: depth + 1], "is missing")
            data = data[key]
        return data

    def wrong(self, keys: Sequence[str], what: str) -> ConfigurationError:
        """An error that says where."""
        return ConfigurationError(f"{self.path}: {'.'.join(keys)} {what}")

    def keys(self, *keys: str, valid: Sequence[str] | None = None) -> tuple[str, ...]:
        """Names in a mapping."""
        data = self.at(*keys)
        if not isinstance(data, Mapping) or not data:
            raise self.wrong(keys, f"must be a mapping, got {data!r}")
        for key in data:
            # YAML takes a bare `on` for true
            if not isinstance(key, str):
                raise self.wrong(keys, f"has the key {key!r}, which is no text; quote it")
            if valid is not None and key not in valid:
                raise self.wrong(keys, f"has {key!r}; possible are {', '.join(valid)}")
        return tuple(data)

    def texts(self, *keys: str, valid: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        data = self.at(*keys)
        if not isinstance(data, list) or not all(isinstance(item, str) for item in data):
            raise self.wrong(keys, f"must be a list of texts, got {data!r}")
        for item in data:
            if valid is not None and item not in valid:
                raise self.wrong(keys, f"has {item!r}; possible are {', '.join(valid)}")
        return tuple(data)

    def words(self, *keys: str, fields: set[str] = frozenset()) -> Words:  # type: ignore[assignment]
        """Phrases to train with and phrases held out, each with the fields it needs."""
        words = Words(self.texts(*keys, "train"), self.texts(*keys, "held_out"))
        if not words.train:
            raise self.wrong(keys, "needs at least one phrase to train with")
        if shared := set(words.train) & set(words.held_out):
            raise self.wrong(keys, f"holds out what it trains with: {', '.join(sorted(shared))}")
        wanted = set(fields) | ({"ref"} if keys[-1].endswith("_reference") else set())
        for phrase in words.all:
            found = {name for _, name, _, _ in string.Formatter().parse(phrase) if name is not None}
            if found != wanted:
                raise self.wrong(
                    keys, f"has {phrase!r}, which must have the fields {sorted(wanted)}"
                )
        return words

    def number(self, *keys: str) -> float:
        """A number above zero."""
        data = self.at(*keys)
        if isinstance(data, bool) or not isinstance(data, int | float) or not data > 0:
            raise self.wrong(keys, f"must be a number above 0, got {data!r}")
        return float(data)

    def span(self, *keys: str) -> tuple[float, float]:
        """Least and most."""
        data = self.at(*keys)
        numbers = isinstance(data, list) and all(isinstance(v, int | float) for v in data)
        if not numbers or len(data) != 2 or not 0 < data[0] <= data[1]:
            raise self.wrong(keys, f"must be [least, most], both above 0, got {data!r}")
        return float(data[0]), float(data[1])

    def entries(self, key: str, valid: set[str]) -> tuple[Mapping[str, str], ...]:
        """A list of mappings of texts."""
        data = self.at(key)
        for entry in data if isinstance(data, list) else [data]:
            if not isinstance(entry, Mapping) or not entry or not valid >= set(entry):
                raise self.wrong([key], f"has {entry!r}; keys are {', '.join(sorted(valid))}")
        return tuple({str(k): str(v) for k, v in entry.items()} for entry in data)

    def each(self, key: str, names: Sequence[str], read: Any) -> Any:
        """One record for each of the names, no more and no fewer."""
        found = self.keys(key, valid=names)
        if missing := [name for name in names if name not in found]:
            raise self.wrong([key], f"lacks {', '.join(missing)}")
        return {name: read(self, key, name) for name in found}


def _kind_rules(file: _File, *keys: str) -> KindRules:
    return KindRules(
        nouns=file.words(*keys, "nouns"),
        colors=file.texts(*keys, "colors", valid=list(PAINTS)),
        width=file.span(*keys, "width"),
        height=file.span(*keys, "height"),
        patterns=cast(tuple[Pattern, ...], file.texts(*keys, "patterns", valid=get_args(Pattern))),
        printable=bool(file.at(*keys, "printable")),
    )


def _place_rules(file: _File, *keys: str) -> PlaceRules:
    has = file.keys(*keys, valid=("nouns", "colors", "scales", "heights_m"))
    return PlaceRules(
        nouns=file.words(*keys, "nouns"),
        colors=file.texts(*keys, "colors", valid=list(PAINTS)) if "colors" in has else (),
        scales=file.span(*keys, "scales") if "scales" in has else (),
        heights_m=file.span(*keys, "heights_m") if "heights_m" in has else (),
    )


def _obstacle_rules(file: _File, *keys: str) -> ObstacleRules:
    return ObstacleRules(file.words(*keys, "nouns"), file.span(*keys, "height_m"))


def _family_rules(file: _File, *keys: str) -> FamilyRules:
    has = file.keys(*keys, valid=("step", "weight", "count", "relations", "degrees"))
    least, most = file.span(*keys, "count")
    degrees = file.texts(*keys, "degrees", valid=get_args(Degree)) if "degrees" in has else ()
    return FamilyRules(
        step=int(file.number(*keys, "step")),
        weight=file.number(*keys, "weight"),
        count=(int(least), int(most)),
        relations=file.texts(*keys, "relations") if "relations" in has else (),
        degrees=cast(tuple[Degree, ...], degrees),
    )


def _fits(entry: Mapping[str, str], facts: Mapping[str, str | None]) -> bool:
    return all(facts.get(key) == value for key, value in entry.items())

"""Words of questions and answers: YAML files, checked against the kinds of questions."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.yaml_text import parse_yaml
from spatialbot_model.spatialqa.draft import Kind

FOLDER = "datasets/spatialqa"


@dataclass(frozen=True, slots=True)
class Templates:
    """Words of one kind.

    Attributes:
        questions: paraphrases.
        answers: variant ("" where a kind has one answer only) -> paraphrases.
        direct_answers: stand in for `answers` where the depth map is to be read directly.
    """

    questions: tuple[str, ...]
    answers: Mapping[str, tuple[str, ...]]
    direct_answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TemplateSet:
    """Words of all kinds.

    Attributes:
        digest: of the files; a run is not continued with other words.
    """

    by_kind: Mapping[str, Templates]
    digest: str


def load_templates(kinds: Iterable[Kind], folder: Path | None = None) -> TemplateSet:
    """Read ``<level>.yaml`` of each level.

    Args:
        folder: None = the shipped ones.

    Raises:
        ConfigurationError: a file is missing or no YAML, a kind has no words, or a template
            has a placeholder that its kind does not fill; names the file and the kind.
    """
    folder = find_resource(FOLDER) if folder is None else folder
    kinds = tuple(kinds)
    digest = hashlib.sha256()
    by_kind: dict[str, Templates] = {}
    for level in dict.fromkeys(kind.level for kind in kinds):
        path = folder / f"{level}.yaml"
        try:
            data = path.read_bytes()
            mapping: Any = parse_yaml(data)
        except (OSError, yaml.YAMLError) as error:
            raise ConfigurationError(f"cannot read the templates in {path}: {error}") from error
        digest.update(data)
        for kind in kinds:
            if kind.level == level:
                entry = mapping.get(kind.name) if isinstance(mapping, dict) else None
                by_kind[kind.name] = _templates(kind, entry, path)
    return TemplateSet(by_kind, digest.hexdigest()[:16])


def _templates(kind: Kind, entry: Any, path: Path) -> Templates:
    where = f"{path}: {kind.name}"
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where} has no templates; expected questions and answers")
    unknown = set(entry) - {"questions", "answers", "direct_answers"}
    if unknown:
        raise ConfigurationError(f"{where}: unknown keys {', '.join(sorted(unknown))}")
    given = entry.get("answers")
    expected = kind.variants or {""}
    variants = _variants(given) if isinstance(given, dict) else {"": given}
    if set(variants) != expected:
        raise ConfigurationError(
            f"{where}: answers are given for {sorted(variants)}, expected {sorted(expected)}"
        )
    answers = {
        variant: _texts(kind, texts, f"{where}: answers") for variant, texts in variants.items()
    }
    direct = entry.get("direct_answers")
    return Templates(
        _texts(kind, entry.get("questions"), f"{where}: questions"),
        answers,
        () if direct is None else _texts(kind, direct, f"{where}: direct_answers"),
    )


def _variants(given: dict[Any, Any]) -> dict[str, Any]:
    # YAML 1.1 reads the bare keys yes and no as booleans
    words = {True: "yes", False: "no"}
    return {words.get(key, str(key)): texts for key, texts in given.items()}


def _texts(kind: Kind, texts: Any, where: str) -> tuple[str, ...]:
    if not isinstance(texts, list) or not texts or not all(isinstance(t, str) for t in texts):
        raise ConfigurationError(f"{where}: expected a list of at least one text")
    for text in texts:
        try:
            fields = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        except ValueError as error:
            raise ConfigurationError(f"{where}: {text!r}: {error}") from error
        if not fields <= kind.fields:
            raise ConfigurationError(
                f"{where}: {text!r} has the placeholders {sorted(fields - kind.fields)}; this kind"
                f" fills {sorted(kind.fields)}"
            )
    return tuple(texts)

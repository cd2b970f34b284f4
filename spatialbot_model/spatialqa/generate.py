"""One scene -> its questions, in words: the same for the same scene, seed and templates."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene
from spatialbot_model.contracts.depth_tool import answer_depth_calls, format_call
from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.prompt_templates import DEPTH_DIRECT_SUFFIX
from spatialbot_model.spatialqa.draft import LEVELS, Draft, Kind, Level, Mode
from spatialbot_model.spatialqa.high import HIGH_KINDS
from spatialbot_model.spatialqa.low import LOW_KINDS
from spatialbot_model.spatialqa.middle import MIDDLE_KINDS
from spatialbot_model.spatialqa.templates import Templates, TemplateSet

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*LOW_KINDS, *MIDDLE_KINDS, *HIGH_KINDS)}
"""Registry of what can be asked."""

_ATTEMPTS = 3
"""Per question wanted: a random pair of objects need not be far enough apart to be compared."""


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What is asked of each scene.

    Attributes:
        per_kind: most questions of one kind.

    Raises:
        ConfigurationError: no level, or no question.
        UnknownNameError: no such level.
    """

    levels: tuple[Level, ...] = LEVELS
    seed: int = 0
    per_kind: int = 2

    def __post_init__(self) -> None:
        for level in self.levels:
            if level not in LEVELS:
                raise UnknownNameError("level", level, LEVELS)
        if not self.levels or self.per_kind < 1:
            raise ConfigurationError(
                f"levels are {self.levels} and {self.per_kind} questions of a kind; expected at"
                " least one of each"
            )


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its answer, in words.

    Attributes:
        turns: (human or gpt, text) by turns, without image placeholders.
        facts: arguments and answer, see `Draft`.
    """

    kind: str
    level: Level
    mode: Mode
    turns: tuple[tuple[str, str], ...]
    facts: dict[str, Any]


def generate_items(
    scene: AnnotatedScene, templates: TemplateSet, options: GenerateOptions
) -> list[Item]:
    """All questions about one scene; none is asked twice."""
    items: list[Item] = []
    asked: set[str] = set()
    for kind in KINDS.values():
        if kind.level not in options.levels or (kind.needs_depth and scene.depth_mm is None):
            continue
        # a generator of its own, so that other levels and kinds change nothing
        rng = np.random.default_rng(_seed(options.seed, scene.id, kind.name))
        number = 0
        for _ in range(_ATTEMPTS * options.per_kind):
            draft = kind.ask(scene, rng)
            if draft is None:
                continue
            item = _in_words(scene, kind, draft, templates.by_kind[kind.name], rng)
            # the same arguments in other words are the same question
            key = f"{kind.name} {json.dumps(draft.facts, sort_keys=True)}"
            question = item.turns[0][1]
            if key in asked or question in asked:
                continue
            asked |= {key, question}
            items.append(item)
            number += 1
            if number == options.per_kind:
                break
    return items


def _in_words(
    scene: AnnotatedScene,
    kind: Kind,
    draft: Draft,
    templates: Templates,
    rng: np.random.Generator,
) -> Item:
    mode = kind.modes[int(rng.integers(len(kind.modes)))]
    question = _pick(templates.questions, rng).format_map(draft.values)
    answers = templates.answers[draft.variant]
    if mode == "direct" and templates.direct_answers:
        answers = templates.direct_answers
    answer = _pick(answers, rng).format_map(draft.values)
    if mode == "direct":
        question = f"{question} {DEPTH_DIRECT_SUFFIX}"
    turns = [("human", question), ("gpt", answer)]
    if mode == "tool":
        assert scene.depth_mm is not None
        call = " ".join(_call(x, y) for x, y in draft.calls)
        reply, _ = answer_depth_calls(call, scene.depth_mm)
        turns[1:1] = [("gpt", call), ("human", reply)]
    return Item(kind.name, kind.level, mode, tuple(turns), dict(draft.facts))


def _call(x: float, y: float) -> str:
    call = format_call(x, y)
    return f"The depth value of point{call.removeprefix('Depth')} is {call}."


def _pick(texts: tuple[str, ...], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))]


def _seed(seed: int, scene: str, kind: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\n{scene}\n{kind}".encode()).digest()[:8], "big")

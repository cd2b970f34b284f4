"""What an asker hands over: arguments and the computed answer, not yet in words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from spatialbot_model.contracts.annotated_scene import AnnotatedScene

Level = Literal["low", "middle", "high"]
LEVELS: tuple[Level, ...] = ("low", "middle", "high")

Mode = Literal["plain", "tool", "direct"]
"""How depth comes in: not asked for, through `Depth(x,y)` calls, or read off the depth map."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before it is put into words.

    Attributes:
        values: what stands in the placeholders of the templates.
        facts: arguments and answer as JSON values, so that the answer can be checked.
        calls: points (x, y) whose depth gives the answer; empty when the tool is of no use.
        variant: which of a kind's answers holds, such as ``yes``; "" where there is one only.
    """

    values: Mapping[str, str]
    facts: Mapping[str, Any]
    calls: tuple[tuple[float, float], ...] = ()
    variant: str = ""


Ask = Callable[[AnnotatedScene, np.random.Generator], Draft | None]
"""Asks one question about a scene; None when the scene does not answer any of its kind."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of question.

    Attributes:
        name: key of its templates.
        fields: placeholders that its templates may use.
        variants: the answers that its templates have to have; empty = one kind of answer.
        modes: in which it is asked; tool only where the draft has calls.
        needs_depth: never asked of a picture without depth.
    """

    name: str
    level: Level
    ask: Ask
    fields: frozenset[str]
    variants: frozenset[str] = field(default_factory=frozenset)
    modes: tuple[Mode, ...] = ("plain",)
    needs_depth: bool = True

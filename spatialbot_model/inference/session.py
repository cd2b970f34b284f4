"""One stream of observations to an engine."""

from dataclasses import dataclass

from spatialbot_model.contracts.types import Observation
from spatialbot_model.inference.vision_cache import VisionCache

PromptKey = tuple[str, int]
"""Instruction and number of frames: all that an action prompt depends on."""


class EngineSession:
    """What is kept between steps; `reset` it when an instruction starts.

    Attributes:
        vision_cache: features of the frames seen last.
    """

    def __init__(self, vision_cache: VisionCache) -> None:
        self.vision_cache = vision_cache
        self._prompt: tuple[PromptKey, tuple[int, ...]] | None = None

    def reset(self) -> None:
        """Forget all frames."""
        self.vision_cache.clear()
        self._prompt = None

    def remembered_prompt(self, key: PromptKey) -> tuple[int, ...] | None:
        """Ids of the prompt rendered last, if it was for the same question."""
        return self._prompt[1] if self._prompt is not None and self._prompt[0] == key else None

    def remember_prompt(self, key: PromptKey, ids: tuple[int, ...]) -> None:
        """Keep a rendered prompt for the next step."""
        self._prompt = (key, ids)


@dataclass(frozen=True, slots=True, eq=False)
class StepRequest:
    """One row of a batch of control steps."""

    session: EngineSession
    observation: Observation

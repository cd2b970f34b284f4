"""What a general benchmark is: questions from its public files, and its scoring."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spatialbot_model.evaluation.questions import Question

SHORT_ANSWER = "Answer the question using a single word or phrase."
"""What the release's evaluation appends to questions with short answers."""
LETTER_ANSWER = "Answer with the option's letter from the given choices directly."


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a benchmark is read.

    Attributes:
        depth: show depth images where there are some (``<folder>_d/<stem>.png``).
        split: one of several in a folder; "" for the benchmark's own choice.
        circular: ask a question with options once for each rotation of them, where the files do
            not hold the rotations themselves.
    """

    depth: bool = False
    split: str = ""
    circular: bool = False


class Benchmark(Protocol):
    """One benchmark."""

    name: str
    title: str
    depth_in_paper: bool
    """Whether the paper shows it depth images too."""

    def read(self, folder: Path, options: ReadOptions) -> list[Question]:
        """The questions of a folder in the benchmark's public layout.

        Raises:
            ConfigurationError: a file is missing or not as published.
        """
        ...

    def score(self, questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, Any]:
        """Figures as the benchmark's own script computes them.

        `headline` maps the columns of the paper's Table II to figures; it is empty where the
        answers are not public.
        """
        ...

    def submission(self, questions: Sequence[Question], answers: Mapping[str, str]) -> Any:
        """What the benchmark's server takes, as JSON; None where it has none."""
        ...


def prompt(question: str, ending: str) -> str:
    """A question and, on a line of its own, how to answer it."""
    return f"{question.strip()}\n{ending}"


def percent(part: int | float, whole: int) -> float | None:
    """A share in percent; None of nothing."""
    return 100.0 * part / whole if whole else None

"""Finished runs read back: questions with their facts, one line at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts.errors import RecordingError, UnknownNameError
from spatialbot_model.spatialqa.generate import KINDS
from spatialbot_model.spatialqa.pipeline import FACTS_NAME, QUESTIONS_NAME


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """One record as trainers read it, and its line of facts."""

    record: dict[str, Any]
    facts: dict[str, Any]


def read_questions(folder: Path) -> Iterator[StoredQuestion]:
    """All questions of a run, in order, without reading the file as a whole.

    Raises:
        RecordingError: no finished run, or files that do not belong together.
    """
    try:
        with (
            (folder / QUESTIONS_NAME).open(encoding="utf-8") as questions,
            (folder / FACTS_NAME).open(encoding="utf-8") as facts,
        ):
            # one record a line between the brackets of the list
            lines = (line.strip().rstrip(",") for line in questions)
            records = (json.loads(line) for line in lines if line not in ("[", "]", "[]"))
            for record, fact in zip(records, map(json.loads, facts), strict=True):
                if record["id"] != fact["id"]:
                    raise ValueError(f"{record['id']} stands beside {fact['id']}")
                yield StoredQuestion(record, fact)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f"cannot read the questions in {folder} ({error}); expected a finished folder of"
            " `spatialbot qa generate`"
        ) from error


def sample_questions(
    folder: Path, num: int, *, kind: str = "", seed: int = 0
) -> list[StoredQuestion]:
    """Some questions, drawn evenly, in the order of the file.

    Raises:
        UnknownNameError: no such kind.
        RecordingError: no finished run.
    """
    if kind and kind not in KINDS:
        raise UnknownNameError("kind of question", kind, KINDS)
    rng = np.random.default_rng(seed)
    chosen: list[tuple[int, StoredQuestion]] = []
    matching = (q for q in read_questions(folder) if not kind or q.facts["kind"] == kind)
    for number, question in enumerate(matching):
        if len(chosen) < num:
            chosen.append((number, question))
        elif (place := int(rng.integers(number + 1))) < num:
            chosen[place] = (number, question)
    return [question for _, question in sorted(chosen, key=lambda pair: pair[0])]

"""Asking a model all questions of a benchmark, in batches, going on where it was interrupted."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.evaluation.answers_folder import AnswersFolder
from spatialbot_model.evaluation.questions import Question

if TYPE_CHECKING:
    from spatialbot_model.inference.engine import Engine


class Answerer(Protocol):
    """Whatever answers questions."""

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """One answer for each question, in their order."""
        ...


class EngineAnswerer:
    """A checkpoint that answers."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def answer(self, questions: Sequence[Question]) -> list[str]:
        """See `Answerer`; of an answer with depth queries the last turn counts."""
        asked = [
            ([image.load() for image in question.images], question.text) for question in questions
        ]
        return [answer.text for answer in self._engine.chat_batch(asked)]


def answer_all(
    questions: Sequence[Question],
    answerer: Answerer,
    folder: AnswersFolder,
    batch_size: int = 8,
    on_answers: Callable[[int], None] | None = None,
) -> dict[str, str]:
    """Ask what has not been answered yet.

    Args:
        on_answers: called with the number of answers known so far, for progress.

    Returns:
        An answer for each question, by key.
    """
    asked = [question for question in questions if question.key not in folder.answers]
    known = len(questions) - len(asked)
    if on_answers is not None:
        on_answers(known)
    for start in range(0, len(asked), batch_size):
        batch = asked[start : start + batch_size]
        texts = answerer.answer(batch)
        folder.add({q.key: text for q, text in zip(batch, texts, strict=True)})
        known += len(batch)
        if on_answers is not None:
            on_answers(known)
    return {question.key: folder.answers[question.key] for question in questions}


def match_answers(questions: Sequence[Question], answers: Mapping[str, str]) -> dict[str, str]:
    """Answers of a file by the key of their question.

    Args:
        answers: by key, or by the record's own id (`tags["id"]`) where that occurs once.

    Raises:
        ConfigurationError: a question without an answer, or an answer without a question.
    """
    ids = [str(question.tags.get("id", question.key)) for question in questions]
    matched: dict[str, str] = {}
    used: set[str] = set()
    missing = []
    for question, name in zip(questions, ids, strict=True):
        found = question.key if question.key in answers else name
        if found in answers and (found == question.key or ids.count(name) == 1):
            matched[question.key] = answers[found]
            used.add(found)
        else:
            missing.append(question.key)
    if missing:
        raise ConfigurationError(
            f"{len(missing)} of {len(questions)} questions have no answer, first {missing[0]};"
            " answers are named by that key or by the record's id"
        )
    if extra := sorted(set(answers) - used):
        raise ConfigurationError(f"{len(extra)} answers have no question, first {extra[0]}")
    return matched

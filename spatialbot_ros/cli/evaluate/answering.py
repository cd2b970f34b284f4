"""Where answers to a benchmark come from: a checkpoint, or a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from spatialbot_ros.cli.evaluate.output import progress_bar

if TYPE_CHECKING:
    from spatialbot_model.evaluation.answering import Answerer
    from spatialbot_model.evaluation.questions import Question

CheckpointOption = Annotated[
    Path | None, typer.Option("--checkpoint", help="Checkpoint folder that answers.")
]
AnswersOption = Annotated[
    Path | None,
    typer.Option("--answers", help="JSON or JSON lines of answers that were given elsewhere."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
BatchOption = Annotated[int, typer.Option("--batch", min=1, help="Questions answered at once.")]
QueriesOption = Annotated[
    int, typer.Option(min=0, help="Rounds of the depth tool; the release has none (0).")
]
TokensOption = Annotated[int, typer.Option(min=16, help="Longest answer of one turn.")]


def one_source(checkpoint: Path | None, answers: Path | None) -> None:
    """Raise unless exactly one of them is given."""
    from spatialbot_model.contracts.errors import ConfigurationError

    if (checkpoint is None) == (answers is None):
        raise ConfigurationError("give either --checkpoint or --answers")


def load_answerer(
    checkpoint: Path, device: str, max_depth_queries: int, max_tokens: int
) -> "Answerer":
    """A checkpoint that answers."""
    from spatialbot_model.inference.threads import wait_passively

    wait_passively()
    from spatialbot_model.evaluation.answering import EngineAnswerer
    from spatialbot_model.inference.engine import Engine
    from spatialbot_model.inference.options import EngineOptions

    options = EngineOptions(
        device=device, max_depth_queries=max_depth_queries, max_chat_tokens=max_tokens
    )
    return EngineAnswerer(Engine.load(checkpoint, options))


def ask_all(
    questions: "Sequence[Question]",
    answerer: "Answerer",
    folder: Path,
    conditions: Mapping[str, Any],
    batch: int,
    console: Console,
    title: str,
) -> dict[str, str]:
    """Answers of a model, with a bar; what the folder holds already is not asked again."""
    from spatialbot_model.evaluation.answering import answer_all
    from spatialbot_model.evaluation.answers_folder import AnswersFolder

    kept = AnswersFolder.open(folder, conditions)
    with progress_bar(console) as bar:
        task = bar.add_task(title, total=len(questions))
        return answer_all(
            questions, answerer, kept, batch, lambda known: bar.update(task, completed=known)
        )


def digest(questions: "Sequence[Question]") -> str:
    """What is asked, so that answers to other questions are not taken for these."""
    import hashlib

    told = "\n".join(f"{q.key}\t{q.text}\t{[image.role for image in q.images]}" for q in questions)
    return hashlib.sha256(told.encode()).hexdigest()[:16]

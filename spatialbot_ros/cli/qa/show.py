"""`spatialbot qa report` and `qa show`: what a folder of questions holds."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.cli.console import JsonFlag, make_console


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog="Example: `spatialbot qa report out/qa`")(report)
    app.command(epilog="Example: `spatialbot qa show out/qa --kind in_front --num 3`")(show)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of `qa generate`.")],
    as_json: JsonFlag = False,
) -> None:
    """Counts of questions by kind and mode, what was left out, and the contact sheet."""
    from spatialbot_model.spatialqa.contact_sheet import draw_sheet
    from spatialbot_model.spatialqa.pipeline import QUESTIONS_NAME, REPORT_NAME
    from spatialbot_ros.cli.qa.generate import tell

    path = folder / REPORT_NAME
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"cannot read {path} ({error}); is it a finished folder of `spatialbot qa generate`?"
        ) from error
    sheet = draw_sheet(folder)
    data |= {
        "output": str(folder / QUESTIONS_NAME),
        "contact_sheet": "" if sheet is None else str(sheet),
    }
    if as_json:
        typer.echo(json.dumps(data))
    else:
        tell(make_console(), data)


def show(
    folder: Annotated[Path, typer.Argument(help="Folder of `qa generate`.")],
    kind: Annotated[str, typer.Option(help="Only this kind of question.")] = "",
    num: Annotated[int, typer.Option(min=1, help="How many.")] = 5,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """Print some questions with their turns, drawn evenly from the whole file."""
    from spatialbot_model.spatialqa.stored import sample_questions

    chosen = sample_questions(folder, num, kind=kind, seed=seed)
    if as_json:
        typer.echo(json.dumps([{**item.record, **item.facts} for item in chosen]))
        return
    console = make_console()
    for item in chosen:
        console.print(Text(f"{item.record['id']}  {item.facts['kind']}", style="bold"))
        for turn in item.record["conversations"]:
            console.print(Text(f"  {turn['from']:>5}: {turn['value']}"))

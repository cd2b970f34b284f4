"""`spatialbot episodes export-qa`: episodes as the release's question-answer JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spatialbot_ros.cli.console import JsonFlag, make_console


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "export-qa",
        epilog="Examples: `spatialbot episodes export-qa out/episodes out/qa` ·"
        " `spatialbot episodes export-qa out/episodes out/qa --depth encoded --split train`",
    )(export_qa)


def export_qa(
    sources: Annotated[list[Path], typer.Argument(help="Episodes, or folders of them.")],
    output: Annotated[Path, typer.Argument(help="Folder for spatialqa_e.json and images/.")],
    depth: Annotated[
        str,
        typer.Option(
            help="mm16 = 16-bit PNG in mm, as the released trainer reads it; encoded = three"
            " channels; none = colour only."
        ),
    ] = "mm16",
    profile: Annotated[str, typer.Option(help="Depth profile of encoded depth.")] = "release",
    history: Annotated[int, typer.Option(min=1, max=8, help="Frames of each question.")] = 4,
    label: Annotated[
        list[str] | None, typer.Option(help="Episodes of this label; may be repeated.")
    ] = None,
    split: Annotated[str, typer.Option(help="train, test (seeds from 1,000,000) or all.")] = "all",
    as_json: JsonFlag = False,
) -> None:
    """Write every control step as a question about its images with the action as the answer."""
    from spatialbot_model.contracts.errors import UnknownNameError
    from spatialbot_model.contracts.types import IMAGE_ROLES
    from spatialbot_model.data.release_qa import DEPTH_FILES, QA_NAME, QaExport, export_qa
    from spatialbot_model.data.samples import EpisodeDataset

    console = make_console(quiet=as_json)
    if depth not in (*DEPTH_FILES, "none"):
        raise UnknownNameError("form of depth", depth, (*DEPTH_FILES, "none"))
    dataset = EpisodeDataset.open(
        sources, history=history, labels=tuple(label or ("success",)), split=split
    )
    for folder, why in dataset.report.skipped:
        console.print(f"left out: {folder}: {why}", markup=False)
    export = QaExport(
        output,
        depth="encoded" if depth == "encoded" else "mm16",
        profile=profile,
        roles=IMAGE_ROLES[:1] if depth == "none" else IMAGE_ROLES,
    )
    columns = (TextColumn("samples"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("samples", total=len(dataset))
        number = export_qa(dataset, export, lambda done: bar.update(task, completed=done))
    if as_json:
        report = dataset.report
        values = {
            "file": str(output / QA_NAME),
            "records": number,
            "episodes": len(report.used),
            "skipped": {str(folder): why for folder, why in report.skipped},
            "excluded": {str(folder): why for folder, why in report.excluded},
            "lost_steps": sum(count for *_, count in report.lost_steps),
        }
        typer.echo(json.dumps(values))
        return
    console.print(f"{output / QA_NAME}: {number} records; {dataset.report.summary()}", markup=False)

"""`spatialbot qa generate`: scenes in, question-answer JSON out."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from spatialbot_ros.cli.console import JsonFlag, make_console


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        epilog="Examples: `spatialbot qa generate --source sim --num 100 --out out/qa` ·"
        " `spatialbot qa generate --source coco --data val2017 --annotations"
        " instances_val2017.json --depth depth --levels high --out out/qa-coco`"
    )(generate)


def generate(
    source: Annotated[
        str, typer.Option(help="sim, coco, vg, nyu, tum, folder or episodes.")
    ] = "sim",
    out: Annotated[Path, typer.Option(help="Folder of questions and images.")] = Path("out/qa"),
    data: Annotated[Path | None, typer.Option(help="Pictures, or episodes; not for sim.")] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="JSON of coco or vg; boxes, masks and names.")
    ] = None,
    depth: Annotated[
        Path | None, typer.Option(help="Depth PNGs (16 bit, millimetres) named as the pictures.")
    ] = None,
    levels: Annotated[str, typer.Option(help="Comma-separated: low, middle, high.")] = (
        "low,middle,high"
    ),
    per_kind: Annotated[int, typer.Option(min=1, help="Questions of a kind per scene.")] = 2,
    seed: Annotated[int, typer.Option(help="Of questions and words.")] = 0,
    num: Annotated[int, typer.Option(min=0, help="At most so many scenes; 0 = all.")] = 0,
    sam: Annotated[
        str, typer.Option(help="Folder or hub id of a SAM that makes masks of boxes.")
    ] = "",
    every: Annotated[int, typer.Option(min=1, help="Of episodes: steps between scenes.")] = 10,
    task: Annotated[str, typer.Option(help="Of sim: which tables to lay.")] = "spatialqa_e",
    scene_seed: Annotated[int, typer.Option(help="Of sim: first scene.")] = 0,
    exact_depth: Annotated[
        bool, typer.Option("--exact-depth", help="Of sim: depth without sensor noise.")
    ] = False,
    templates: Annotated[
        Path | None, typer.Option(help="Folder with low.yaml, middle.yaml, high.yaml.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    engine: Annotated[str, typer.Option(help="local, or ray for a Ray cluster.")] = "local",
    rewriter: Annotated[
        str, typer.Option(help="URL of an OpenAI-compatible server that rewords questions.")
    ] = "",
    rewriter_model: Annotated[str, typer.Option(help="Its model.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Make questions whose answers are computed from the data; run again to go on.

    The same source, seed and templates give the same file, whatever the number of workers.
    """
    from spatialbot_model.spatialqa.contact_sheet import SHEET_NAME, draw_sheet
    from spatialbot_model.spatialqa.generate import GenerateOptions
    from spatialbot_model.spatialqa.part import WorkerRecipe
    from spatialbot_model.spatialqa.pipeline import QUESTIONS_NAME
    from spatialbot_model.spatialqa.pipeline import generate as run
    from spatialbot_model.spatialqa.rewriter import RewriterOptions
    from spatialbot_ros.cli.qa.sources import SourceArguments

    console = make_console(quiet=as_json)
    arguments = SourceArguments(
        source, data, annotations, depth, sam, task=task, num=num, scene_seed=scene_seed,
        exact_depth=exact_depth, every=every,
    )  # fmt: skip
    chosen = tuple(level.strip() for level in levels.split(",") if level.strip())
    recipe = WorkerRecipe(
        source=arguments.recipe(),
        options=GenerateOptions(chosen, seed, per_kind),  # type: ignore[arg-type]  # checked there
        folder=out.expanduser().resolve(),
        templates=templates,
        rewriter=RewriterOptions(rewriter, rewriter_model) if rewriter else None,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        shown = bar.add_task("parts", total=None)
        report = run(
            recipe,
            num_workers=workers,
            engine=engine,
            on_part=lambda done, total: bar.update(shown, completed=done, total=total),
        )
    sheet = draw_sheet(recipe.folder)
    report = {
        **report,
        "output": str(recipe.folder / QUESTIONS_NAME),
        "contact_sheet": "" if sheet is None else str(recipe.folder / SHEET_NAME),
    }
    if as_json:
        typer.echo(json.dumps(report))
    else:
        tell(console, report)
    if not report["questions"]:
        raise typer.Exit(1)


def tell(console: Console, report: dict[str, Any]) -> None:
    """Print a report for people."""
    table = Table("kind", "questions")
    for kind, count in report["kinds"].items():
        table.add_row(kind, str(count))
    console.print(table)
    modes = ", ".join(f"{count} {mode}" for mode, count in report["modes"].items())
    console.print(f"{report['questions']} questions about {report['scenes']} scenes ({modes})")
    for skipped in report["skipped"]:
        console.print(
            f"left out: {skipped['count']} scenes, such as: {skipped['example']}", markup=False
        )
    for remark, count in report["remarks"].items():
        console.print(f"{count} times: {remark}", markup=False)
    for name in ("output", "contact_sheet"):
        if report.get(name):
            console.print(report[name], markup=False)

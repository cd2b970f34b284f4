"""`spatialbot qa make-benchmark`: SpatialBench-Sim, made again or made larger."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from spatialbot_ros.cli.console import JsonFlag, make_console


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "make-benchmark",
        epilog="Example: `spatialbot qa make-benchmark --out out/spatialbench_sim`",
    )(make_benchmark)


def make_benchmark(
    out: Annotated[Path, typer.Option(help="Folder of the benchmark, empty or new.")] = Path(
        "out/spatialbench_sim"
    ),
    questions: Annotated[int, typer.Option(min=2, help="Of each category.")] = 60,
    seed: Annotated[int, typer.Option(help="Of the choice of questions.")] = 0,
    still: Annotated[int, typer.Option(min=1, help="Crowded tables with the arm at rest.")] = 44,
    moved: Annotated[int, typer.Option(min=1, help="Tables on which the arm works.")] = 120,
    scene_seed: Annotated[int, typer.Option(help="First scene; test scenes by default.")] = (
        1_500_000
    ),
    stereo: Annotated[
        Path | None,
        typer.Option(help="Folder of scikit-image's motorcycle_left.png and _disp.npz."),
    ] = None,
    no_stereo: Annotated[
        bool, typer.Option("--no-stereo", help="Simulated pictures only.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make questions in SpatialBench's layout from simulated tables and a real stereo picture.

    The shipped one (datasets/spatialbench_sim) was made with the defaults. The real picture comes
    from scikit-image, or from --stereo.
    """
    from spatialbot_model.spatialqa.benchmark_folder import BenchmarkOptions
    from spatialbot_model.spatialqa.benchmark_folder import make_benchmark as make
    from spatialbot_model.spatialqa.stereo_pair import read_stereo_motorcycle
    from spatialbot_ros.configuration import load_action_spec, load_cell
    from spatialbot_sim.qa_source import SimRecipe

    console = make_console(quiet=as_json)
    real = None if no_stereo else read_stereo_motorcycle(stereo)
    cell, spec = load_cell(), load_action_spec()
    still_tables = SimRecipe(
        cell, spec, first_seed=scene_seed, num=still, moving_share=0.0, extra_objects=6
    )
    busy_tables = SimRecipe(
        cell, spec, first_seed=scene_seed + still, num=moved, moving_share=1.0, extra_objects=1
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        shown = bar.add_task("pictures", total=None)
        counts = make(
            still_tables,
            busy_tables,
            real,
            out,
            BenchmarkOptions(questions, seed=seed),
            lambda done, total: bar.update(shown, completed=done, total=total),
        )
    if as_json:
        typer.echo(json.dumps({"output": str(out), "questions": counts}))
        return
    table = Table("category", "questions")
    for category, count in counts.items():
        table.add_row(category, str(count))
    console.print(table)
    console.print(str(out), markup=False)

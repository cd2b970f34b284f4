"""`spatialbot qa depth`: depth for pictures that have none."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from spatialbot_ros.cli.console import JsonFlag, make_console


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        epilog="Example: `spatialbot qa depth --images val2017 --model Intel/zoedepth-nyu-kitti"
        " --out depth`"
    )(depth)


def depth(
    images: Annotated[Path, typer.Option(help="Folder of pictures.")],
    model: Annotated[str, typer.Option(help="Folder or hub id: ZoeDepth, metric Depth Anything.")],
    out: Annotated[Path, typer.Option(help="Folder of 16-bit PNGs in millimetres.")],
    max_mm: Annotated[int, typer.Option(min=1, help="What is farther becomes 0.")] = 20_000,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    as_json: JsonFlag = False,
) -> None:
    """Estimate the depth of pictures; run again, it goes on where it stopped."""
    from spatialbot_model.spatialqa.depth_sources import DepthScale
    from spatialbot_model.spatialqa.monocular import MonocularOptions, write_depths

    console = make_console(quiet=as_json)
    options = MonocularOptions(model, DepthScale(1000.0, max_mm), device)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        shown = bar.add_task("pictures", total=None)
        skipped = write_depths(
            images, out, options, lambda done, total: bar.update(shown, completed=done, total=total)
        )
    if as_json:
        typer.echo(json.dumps({"output": str(out), "skipped": dict(skipped)}))
        return
    for name, reason in skipped:
        console.print(f"left out {name}: {reason}", markup=False)
    console.print(str(out), markup=False)

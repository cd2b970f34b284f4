"""`spatialbot episodes convert | card`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from spatialbot_ros.cli.console import JsonFlag, make_console

Sources = Annotated[
    list[Path],
    typer.Argument(help="Episodes, folders of episodes, LeRobot or RLDS datasets."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        epilog="Example: `spatialbot episodes convert out/episodes out/lerobot --to lerobot`"
    )(convert)
    app.command(epilog="Example: `spatialbot episodes card out/episodes`")(card)


def convert(
    sources: Sources,
    output: Annotated[Path, typer.Argument(help="New folder for the dataset.")],
    to: Annotated[str, typer.Option(help="lerobot, rlds or rosbag2.")],
    video_codec: Annotated[
        str,
        typer.Option(
            help="Colour of LeRobot: av1 or h264 (both lossy) or ffv1 (every pixel, large). Depth"
            " is exact with each; RLDS and rosbag2 keep colour as it is."
        ),
    ] = "av1",
    label: Annotated[
        list[str] | None, typer.Option(help="Only episodes of this label; may be repeated.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what cannot be used, and say so.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Convert episodes to LeRobot (v3.0), RLDS or rosbag2, from any of the three."""
    from spatialbot_ros.cli.episodes.conversion import convert as convert_dataset

    console = make_console(quiet=as_json)
    columns = (TextColumn("episodes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("episodes", total=None)

        def show(done: int, total: int, part: float) -> None:
            bar.update(task, completed=done + part, total=total)

        report = convert_dataset(
            sources,
            output,
            to,
            video_codec=video_codec,
            labels=label or (),
            skip_bad=skip_bad,
            progress=show,
        )
    if as_json:
        typer.echo(json.dumps({"output": str(output), "to": to, **report.to_mapping()}))
        return
    for name, why in report.skipped.items():
        console.print(f"left out {name}: {why}", markup=False)
    if report.filtered:
        console.print(f"left out {report.filtered} episodes of other labels")
    if report.refused:
        console.print(f"{report.refused} actions were refused by the executor and are no steps")
    if report.lone_images:
        console.print(f"left out {report.lone_images} images without their other half")
    console.print(
        f"{output}: {report.episodes} episodes, {report.steps} steps,"
        f" {report.frames_between} frames between steps",
        markup=False,
    )


def card(
    dataset: Annotated[Path, typer.Argument(help="Folder of episodes, or a dataset.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder for README.md and pictures; DATASET itself if not.")
    ] = None,
    name: Annotated[str, typer.Option(help="Title of the card; the folder's name if empty.")] = "",
    licence: Annotated[
        str, typer.Option("--license", help="Identifier as Hugging Face lists them.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace a README.md.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write a dataset card: README.md with a Hugging Face header, figures and pictures."""
    from spatialbot_ros.cli.episodes.conversion import open_dataset
    from spatialbot_ros.episodes.card import write_card
    from spatialbot_ros.episodes.card_summary import summarise

    console = make_console(quiet=as_json)
    loads = open_dataset(dataset)
    with Progress(console=console, transient=True) as bar:
        episodes = (load() for _, load in bar.track(loads, description="reading"))
        summary = summarise(episodes)
    title = name or dataset.resolve().name
    folder = output or dataset
    files = write_card(summary, folder, title=title, licence=licence, overwrite=force)
    if as_json:
        typer.echo(json.dumps({"files": [str(f) for f in files], **summary.to_mapping()}))
        return
    glimpses = f", {summary.num_glimpses} glimpses" if summary.num_glimpses else ""
    console.print(
        f"{files[0]}: {summary.num_episodes} episodes{glimpses}, {summary.num_steps} steps"
    )

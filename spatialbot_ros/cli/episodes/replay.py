"""`spatialbot episodes replay`: publish, execute again, or watch what was recorded."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.cli.console import JsonFlag, make_console


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        epilog="Examples: `spatialbot episodes replay EPISODE --clock --rate 2` ·"
        " `spatialbot episodes replay EPISODES... --robot` ·"
        " `spatialbot episodes replay EPISODE --film out.mp4 --sheet out.png`"
    )(replay)


def replay(
    episodes: Annotated[list[Path], typer.Argument(help="Episode folders.")],
    robot: Annotated[
        bool, typer.Option("--robot", help="Do the actions again in simulation, and compare.")
    ] = False,
    film: Annotated[Path | None, typer.Option(help="Write an MP4 of one episode.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet, PNG.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Open it in the rerun viewer.")] = False,
    rate: Annotated[float, typer.Option(help="Of publishing; 2 = twice as fast.")] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Publish until Ctrl-C.")] = False,
    clock: Annotated[bool, typer.Option("--clock", help="Publish /clock, too.")] = False,
    topic: Annotated[
        list[str] | None, typer.Option(help="Publish only this topic; repeatable.")
    ] = None,
    address: Annotated[str, typer.Option(help="Loopback address of the lab.")] = "127.0.0.61",
    log: Annotated[Path, typer.Option(help="Log of the simulation.")] = Path("out/replay.log"),
    as_json: JsonFlag = False,
) -> None:
    """Publish an episode's topics again in their time; or execute, film or view it.

    With --robot the exit code is 0 only when every episode succeeds again.
    """
    pictures = film is not None or sheet is not None or rerun
    if robot and pictures:
        raise ConfigurationError("--robot goes without --film, --sheet and --rerun")
    if robot:
        _execute_again(episodes, log, address, as_json)
        return
    if len(episodes) != 1:
        raise ConfigurationError(f"{len(episodes)} episodes given; only --robot takes several")
    if pictures:
        _show(episodes[0], film, sheet, rerun)
        return
    _publish(episodes[0], rate, loop, clock, topic or [], as_json)


def _publish(
    folder: Path, rate: float, loop: bool, clock: bool, topics: list[str], as_json: bool
) -> None:
    import os
    import signal
    import threading

    from spatialbot_ros.process_group import node_environment

    # read by the middleware when it is loaded
    os.environ.update(node_environment())
    from spatialbot_ros.nodes.replay import replay_topics

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console = make_console(as_json)

    def on_start(index: int) -> None:
        console.print(f"publishing {folder.name}" + (f", round {index + 1}" if index else ""))

    count = replay_topics(
        folder, stop, rate=rate, loop=loop, clock=clock, topics=topics, on_start=on_start
    )
    if as_json:
        typer.echo(json.dumps({"episode": str(folder), "messages": count}))
    else:
        console.print(f"{count} messages")


def _show(folder: Path, film: Path | None, sheet: Path | None, rerun: bool) -> None:
    import subprocess
    import sys
    import tempfile

    from spatialbot_ros.episodes.film import write_contact_sheet, write_film
    from spatialbot_ros.episodes.reader import EpisodeReader
    from spatialbot_ros.episodes.report import write_rrd

    console = make_console()
    if film is not None:
        with console.status("filming"):
            count = write_film(folder, film)
        console.print(f"{film}: {count} frames")
    if sheet is not None:
        write_contact_sheet(folder, sheet)
        console.print(f"{sheet}")
    if rerun:
        with tempfile.TemporaryDirectory(prefix="spatialbot_") as scratch:
            recording = Path(scratch) / f"{folder.name}.rrd"
            with EpisodeReader(folder) as reader:
                write_rrd(reader, recording)
            subprocess.run(
                [sys.executable, "-m", "rerun", "--bind", "127.0.0.1", str(recording)], check=False
            )


def _execute_again(folders: list[Path], log: Path, address: str, as_json: bool) -> None:
    from spatialbot_model.evaluation.statistics import success_rate
    from spatialbot_ros.demo.reexecution import reexecute

    console = make_console(as_json)
    results = []
    for result in reexecute(folders, log, address, lambda text: console.print(text, markup=False)):
        results.append(result)
        console.print(
            f"{len(results)}/{len(folders)} {result.episode}: {result.reason},"
            f" path off by {result.difference.mean_mm:.1f} mm on average,"
            f" {result.difference.final_mm:.1f} mm at the end",
            markup=False,
        )
    num_good = sum(result.success for result in results)
    rate = success_rate(num_good, len(results))
    if as_json:
        values = {
            "n": len(results),
            "successes": num_good,
            "interval": [rate.low, rate.high],
            "episodes": [result.to_mapping() for result in results],
        }
        typer.echo(json.dumps(values))
    else:
        table = Table("episode", "recorded", "again", "mean mm", "max mm", "final mm")
        for result in results:
            table.add_row(
                result.episode,
                result.recorded_label,
                "success" if result.success else result.reason,
                f"{result.difference.mean_mm:.1f}",
                f"{result.difference.max_mm:.1f}",
                f"{result.difference.final_mm:.1f}",
            )
        console.print(table)
        console.print(
            f"{num_good} of {len(results)} succeeded again"
            f" (95 % interval {rate.low:.0%} to {rate.high:.0%})"
        )
    raise typer.Exit(0 if num_good == len(results) else 1)

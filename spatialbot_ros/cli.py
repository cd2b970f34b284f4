"""The `spatialbot` command."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spatialbot_model.contracts.errors import SpatialBotError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="SpatialBot for ROS 2: record, train and run a depth-aware VLA on a Franka FR3.",
)
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def _console(quiet: bool) -> Console:
    """People read the console; scripts read stdout, so with --json people get stderr."""
    return Console(stderr=quiet, highlight=False, soft_wrap=True)


@app.command(epilog="Examples: `spatialbot demo` · `spatialbot demo --episodes 20 --seed 0 --json`")
def demo(
    episodes: Annotated[int, typer.Option(min=1, help="How many scenes to run.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first scene.")] = 0,
    instruction: Annotated[str, typer.Option(help="Instead of each scene's own.")] = "",
    policy: Annotated[str, typer.Option(help="Policy by name.")] = "classical",
    checkpoint: Annotated[str, typer.Option(help="Weights of the policy.")] = "",
    task: Annotated[str, typer.Option(help="Simulated task.")] = "pick_place",
    viewer: Annotated[str, typer.Option(help="Live view: none or rerun.")] = "none",
    record: Annotated[str, typer.Option(help="Record which episodes: first, all, none.")] = "first",
    address: Annotated[str, typer.Option(help="Loopback address of the lab.")] = "127.0.0.61",
    output: Annotated[Path, typer.Option(help="Where runs are written.")] = Path("out/demo"),
    as_json: _JSON = False,
) -> None:
    """Run pick and place in simulation through ROS, librealsense and franky.

    Writes summary.json, overview.png, episode/ (rosbag2) and recording.rrd to
    out/demo/latest/. Exit code 0 only when every episode succeeded.
    """
    from spatialbot_ros.demo.runner import DemoOptions, run_demo
    from spatialbot_ros.demo.summary import summarise, write_summary

    console = _console(as_json)
    options = DemoOptions(
        episodes=episodes,
        seed=seed,
        task=task,
        instruction=instruction,
        policy=policy,
        checkpoint=checkpoint,
        address=address,
        viewer=viewer,
        record=record,
        output=output,
    )
    folder, records = run_demo(options, lambda text: console.print(text, markup=False))
    summary = summarise(
        records, policy, f"spatialbot {' '.join(sys.argv[1:])}", version("spatialbot_ros")
    )
    write_summary(folder / "summary.json", summary)
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        low, high = summary["interval"]
        console.print(
            f"\n[bold]{summary['successes']} of {summary['n']} succeeded[/bold]"
            f" (95 % interval {low:.0%} to {high:.0%}), {summary['faults']} control faults"
        )
        console.print(f"Everything is in {output / 'latest'}/")
    raise typer.Exit(0 if summary["success"] else 1)


@app.command(
    epilog="Example: `spatialbot up pick_place simulation:=true viewer:=rerun`",
    context_settings={"ignore_unknown_options": True},
)
def up(
    launch: Annotated[str, typer.Argument(help="What to start: pick_place.")] = "pick_place",
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME:=VALUE]...", help="Launch arguments.")
    ] = None,
    show_args: Annotated[
        bool, typer.Option("--show-args", help="List the arguments and their defaults.")
    ] = False,
) -> None:
    """Start the nodes like `ros2 launch` does, on machines without it. Ctrl-C stops all."""
    from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
    from spatialbot_ros.bringup import PICK_PLACE_ARGUMENTS, pick_place_nodes
    from spatialbot_ros.process_group import run_nodes

    if launch != "pick_place":
        raise UnknownNameError("launch", launch, ["pick_place"])
    if show_args:
        table = Table("argument", "default", "choices", "description")
        for argument in PICK_PLACE_ARGUMENTS:
            table.add_row(
                argument.name,
                argument.default_text,
                ", ".join(argument.choices),
                argument.description,
            )
        _console(quiet=False).print(table)
        return
    values = {}
    for text in arguments or []:
        name, separator, value = text.partition(":=")
        if not separator:
            raise ConfigurationError(f"{text!r} is not an argument; expected NAME:=VALUE")
        values[name] = value
    raise typer.Exit(run_nodes(pick_place_nodes(values)))


@app.command(epilog="Examples: `spatialbot bench` lists them · `spatialbot bench codec --json`")
def bench(
    name: Annotated[str, typer.Argument(help="Benchmark; left out, they are listed.")] = "",
    run_all: Annotated[bool, typer.Option("--all", help="Run every benchmark.")] = False,
    as_json: _JSON = False,
) -> None:
    """Measure, as a ratio to a named baseline in the same run."""
    from spatialbot_ros.benchmarks import BENCHMARKS, run_benchmark

    console = _console(as_json)
    if not name and not run_all:
        table = Table("benchmark", "what it measures")
        for key, benchmark in BENCHMARKS.items():
            table.add_row(key, benchmark.description)
        console.print(table)
        return
    for key in [name] if name else BENCHMARKS:
        result = run_benchmark(key)
        if as_json:
            typer.echo(result.to_json())
            continue
        table = Table(title=f"{key}: {result.ratio:.2f} x {result.baseline}")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for figure, value in result.figures.items():
            table.add_row(figure, f"{value:.4g}" if isinstance(value, float) else str(value))
        console.print(table)
        console.print(f"n = {result.n}, {result.machine}")


def main() -> None:
    """Entry point: a user's error is one line and exit code 1, never a traceback."""
    try:
        app()
    except SpatialBotError as error:
        # the message may hold brackets, which are no markup
        _console(quiet=True).print(Text.assemble(("error: ", "bold red"), str(error)))
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()

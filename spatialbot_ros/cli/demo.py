"""`spatialbot demo`: pick and place in simulation."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from spatialbot_ros.cli.console import JsonFlag, make_console

EPILOG = (
    "Examples: `spatialbot demo` · `spatialbot demo --episodes 20 --seed 0 --json` ·"
    " `spatialbot demo --policy classical` ·"
    " `spatialbot demo --policy remote url:=ws://127.0.0.1:8790`"
)


def demo(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME:=VALUE", help="More launch arguments, see `up`."),
    ] = None,
    episodes: Annotated[int, typer.Option(min=1, help="How many scenes to run.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first scene.")] = 0,
    instruction: Annotated[str, typer.Option(help="Instead of each scene's own.")] = "",
    policy: Annotated[
        str, typer.Option(help="Policy by name: local (learned), classical, remote.")
    ] = "local",
    checkpoint: Annotated[
        str, typer.Option(help="Weights of policy local; empty = those that ship.")
    ] = "",
    task: Annotated[str, typer.Option(help="Simulated task.")] = "pick_place",
    viewer: Annotated[str, typer.Option(help="Live view: none or rerun.")] = "none",
    max_steps: Annotated[int, typer.Option(min=0, help="Per episode; 0 = the node's own.")] = 0,
    record: Annotated[str, typer.Option(help="Record which episodes: first, all, none.")] = "first",
    address: Annotated[str, typer.Option(help="Loopback address of the lab.")] = "127.0.0.61",
    output: Annotated[Path, typer.Option(help="Where runs are written.")] = Path("out/demo"),
    as_json: JsonFlag = False,
) -> None:
    """Run pick and place in simulation through ROS, librealsense and franky.

    Writes summary.json, overview.png, episode/ (rosbag2) and recording.rrd to
    out/demo/latest/. Exit code 0 only when every episode succeeded.
    """
    from spatialbot_ros.bringup import split_assignments
    from spatialbot_ros.demo.runner import DemoOptions, run_demo
    from spatialbot_ros.demo.summary import summarise, write_summary

    console = make_console(as_json)
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
        max_steps=max_steps,
        launch_arguments=split_assignments(arguments or []),
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

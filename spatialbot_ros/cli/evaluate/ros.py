"""`spatialbot evaluate ros`: the same scenes through ROS, librealsense and franky."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from spatialbot_ros.cli.console import JsonFlag, make_console
from spatialbot_ros.cli.evaluate.scenes import DEFAULT_FAMILIES, held_out_scenes

EPILOG = (
    "Examples: `spatialbot evaluate ros --checkpoint out/models/mini --episodes 10` ·"
    " `spatialbot evaluate ros --policy classical --families pick_place --episodes 5 --json`"
)


def evaluate_ros(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME:=VALUE", help="More launch arguments, see `up`."),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Weights of the policy.")] = "",
    policy: Annotated[str, typer.Option(help="Policy by name.")] = "local",
    families: Annotated[
        str, typer.Option(help="Families of SpatialQA-E or names of tasks, with commas.")
    ] = DEFAULT_FAMILIES,
    episodes: Annotated[int, typer.Option(min=1, help="Scenes per family.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="How far into the test seeds to begin.")] = 0,
    novelty: Annotated[
        str, typer.Option(help="Only such scenes: all, none, paraphrase, object, combination.")
    ] = "all",
    output: Annotated[Path, typer.Option("--out", help="Folder of the results.")] = Path(
        "out/evaluation-ros"
    ),
    max_steps: Annotated[int, typer.Option(min=1, help="Control steps before time is up.")] = 200,
    address: Annotated[str, typer.Option(help="Loopback address of the lab.")] = "127.0.0.61",
    as_json: JsonFlag = False,
) -> None:
    """Success on the scenes of `evaluate sim`, through the whole suite; resumable.

    Also counts control faults and measures the rate of actions in robot time. Exit code 0 when
    there was no fault.
    """
    from spatialbot_model.evaluation.trials_file import TrialsFolder, checkpoint_hash
    from spatialbot_ros.bringup import split_assignments
    from spatialbot_ros.cli.evaluate.output import progress_bar, show_report, write_reports
    from spatialbot_ros.configuration import load_action_spec
    from spatialbot_ros.demo.evaluation import RosEvaluation, run_ros_trials

    console = make_console(quiet=as_json)
    jobs = held_out_scenes(families, episodes, seed, novelty)
    launch_arguments = split_assignments(arguments or [])
    conditions: dict[str, Any] = {
        "environment": "ros",
        "policy": policy,
        "checkpoint": checkpoint,
        "checkpoint_hash": checkpoint_hash(Path(checkpoint)) if checkpoint else "",
        "action_spec": load_action_spec().id,
        "max_steps": max_steps,
        "launch_arguments": launch_arguments,
    }
    results = TrialsFolder.open(output.expanduser(), conditions)
    wanted = {(job.task, job.seed) for job in jobs}
    done = {trial.scene for trial in results.trials}
    missing = [job for job in jobs if (job.task, job.seed) not in done]
    options = RosEvaluation(
        policy=policy,
        checkpoint=checkpoint,
        max_steps=max_steps,
        address=address,
        log_file=results.folder / "stack.log",
        launch_arguments=launch_arguments,
    )
    begun_s = time.monotonic()
    with progress_bar(console) as bar:
        shown = bar.add_task("trials", total=len(jobs), completed=len(jobs) - len(missing))
        for trial in run_ros_trials(
            missing, options, lambda text: console.print(text, markup=False)
        ):
            results.add(trial)
            bar.advance(shown)
            told = trial.failure or "success"
            console.print(f"{trial.family} {trial.seed}: {told} {trial.reason}", markup=False)
    results.trials = [trial for trial in results.trials if trial.scene in wanted]
    report = write_reports(
        results,
        {
            "families_asked_for": families,
            "episodes": episodes,
            "seed": seed,
            "new_trials": len(missing),
            "wall_time_s": round(time.monotonic() - begun_s, 1),
        },
    )
    if as_json:
        typer.echo(json.dumps(report))
    else:
        show_report(console, report, results.folder)
        total = report["all"]
        rate = "–" if total["action_rate_hz"] is None else f"{total['action_rate_hz']:.2f}"
        console.print(f"{total['faults']} control faults, {rate} actions a second of robot time")
    raise typer.Exit(1 if report["all"]["faults"] else 0)

"""`spatialbot episodes collect`: a scripted expert makes episodes in simulation."""

import json
import time
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from spatialbot_ros.cli.console import JsonFlag, make_console

if TYPE_CHECKING:
    from spatialbot_sim.collect import JobResult


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        epilog="Example: `spatialbot episodes collect --task pick_place --num 100 --workers 2"
        " --noise --out out/episodes`"
    )(collect)


def collect(
    output: Annotated[Path, typer.Option("--out", help="Folder of the episodes.")] = Path(
        "out/episodes"
    ),
    task: Annotated[str, typer.Option(help="Task, such as pick_place.")] = "pick_place",
    num: Annotated[int, typer.Option(min=1, help="Number of scenes.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the first scene; the next count up.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    noise: Annotated[
        bool, typer.Option("--noise", help="Disturb the expert, so that it has to recover.")
    ] = False,
    images: Annotated[
        str, typer.Option(help="raw, or compressed: colour as JPEG, depth as lossless PNG.")
    ] = "compressed",
    max_steps: Annotated[int, typer.Option(min=1, help="Control steps of one attempt.")] = 200,
    attempts: Annotated[
        int, typer.Option(min=1, help="With --noise: attempts per scene, until one succeeds.")
    ] = 3,
    keep_failures: Annotated[
        bool, typer.Option("--keep-failures", help="Keep failed scenes, labelled failure.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Measure the expert: no images, nothing is stored."),
    ] = False,
    engine: Annotated[str, typer.Option(help="local, or ray for a Ray cluster.")] = "local",
    as_json: JsonFlag = False,
) -> None:
    """Collect successful episodes of a task in simulation, resumable and deterministic.

    A scene's episode depends on its seed alone, whatever the number of workers. Run again, the
    command leaves finished episodes alone and does what is missing.
    """
    from spatialbot_model.contracts.episode_images import ImageFormats
    from spatialbot_model.contracts.errors import ConfigurationError
    from spatialbot_ros.configuration import load_action_spec, load_cell
    from spatialbot_ros.episodes.step_writer import StepWriterFactory
    from spatialbot_sim.collect import CollectOptions, Job
    from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
    from spatialbot_sim.env import EnvOptions
    from spatialbot_sim.expert_noise import NoiseOptions
    from spatialbot_sim.tasks import sample_scene

    formats = {"raw": ImageFormats(), "compressed": ImageFormats("jpeg", "png")}
    if images not in formats:
        raise ConfigurationError(f"--images {images}: choose one of: {', '.join(formats)}")
    # a task that does not exist is found out here, not in the workers
    sample_scene(task, seed)
    console = make_console(quiet=as_json)
    options = CollectOptions(
        noise=NoiseOptions() if noise else None,
        max_steps=max_steps,
        attempts=attempts,
        keep_failures=keep_failures,
        env=EnvOptions(render=not dry_run),
    )
    factory = StepWriterFactory(
        output.expanduser().resolve(), formats[images], software_version=_software_version()
    )
    recipe = CollectorRecipe(load_cell(), load_action_spec(), options, None if dry_run else factory)
    jobs = [Job(task, seed + k) for k in range(num)]
    results: list[JobResult] = []
    begun_s = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        shown = bar.add_task(f"episodes of {task}", total=num)
        for result in run_jobs(recipe, jobs, num_workers=workers, engine=engine):
            results.append(result)
            bar.advance(shown)
            if not result.success:
                console.print(f"seed {result.job.seed} failed: {result.reason}", markup=False)
    summary = summarise(results, time.monotonic() - begun_s)
    summary = {
        "task": task,
        "seed": seed,
        "workers": workers,
        "engine": engine,
        "noise": noise,
        "output": "" if dry_run else str(factory.directory),
        **summary,
    }
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        _tell(console, summary)
    if not any(result.success for result in results):
        raise typer.Exit(1)


def summarise(results: list["JobResult"], wall_s: float) -> dict[str, Any]:
    """Figures over all results: counts, rates with 95 % Wilson intervals, speed."""
    from spatialbot_model.evaluation.statistics import success_rate

    done = sorted(
        (result for result in results if not result.skipped), key=lambda result: result.job.seed
    )
    robot_s = sum(result.robot_time_s for result in done)
    families = Counter(result.family for result in done)
    rates = {"all": (sum(r.first_success for r in done), len(done))} | {
        family: (sum(r.first_success for r in done if r.family == family), number)
        for family, number in sorted(families.items())
    }
    return {
        "n": len(results),
        "skipped": len(results) - len(done),
        "successes": sum(result.success for result in results),
        "failed_seeds": [result.job.seed for result in done if not result.success],
        "failures": dict(Counter(r.reason for r in done if not r.success).most_common()),
        "attempts": sum(result.num_attempts for result in done),
        "steps": sum(result.steps for result in done),
        "noise_steps": sum(result.num_noise for result in done),
        "robot_time_s": round(robot_s, 1),
        "wall_time_s": round(wall_s, 1),
        "episodes_per_minute": round(60.0 * len(done) / wall_s, 2),
        "realtime_ratio": round(robot_s / wall_s, 2),
        "first_attempt_success": {
            name: _rate(success_rate(successes, n)) for name, (successes, n) in rates.items() if n
        },
    }


def _rate(rate: Any) -> dict[str, float]:
    return {
        "successes": rate.successes,
        "n": rate.n,
        "rate": round(rate.rate, 4),
        "low": round(rate.low, 4),
        "high": round(rate.high, 4),
    }


def _tell(console: Any, summary: dict[str, Any]) -> None:
    console.print(
        f"{summary['successes']} of {summary['n']} scenes succeeded"
        f" ({summary['skipped']} were there already), {summary['attempts']} attempts"
    )
    for name, rate in summary["first_attempt_success"].items():
        console.print(
            f"  first attempt, {name}: {rate['successes']}/{rate['n']}"
            f" ({rate['rate']:.1%}, 95 % interval {rate['low']:.1%} to {rate['high']:.1%})"
        )
    console.print(
        f"{summary['episodes_per_minute']} episodes a minute, {summary['realtime_ratio']} x real"
        f" time{', in ' + summary['output'] if summary['output'] else ''}"
    )


def _software_version() -> str:
    try:
        return version("spatialbot_ros")
    except PackageNotFoundError:
        return "unknown"

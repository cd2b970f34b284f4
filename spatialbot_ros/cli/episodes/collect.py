"""`spatialbot episodes collect`: a scripted expert, or a policy and the expert, make episodes."""

import json
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

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
    glimpses: Annotated[
        bool,
        typer.Option(
            "--glimpses", help="A few noisy steps from one random moment of each scene on."
        ),
    ] = False,
    glimpse_steps: Annotated[int, typer.Option(min=1, help="With --glimpses: steps of each.")] = 7,
    moments: Annotated[
        str,
        typer.Option(
            help="With --glimpses: from which moments on, such as start,carry; empty = all."
        ),
    ] = "",
    instructions: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Per frame, answered by the expert, the scene's own first; 1, with --glimpses 5.",
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option(help="Let this policy drive, such as local; the expert takes over.")
    ] = "",
    checkpoint: Annotated[str, typer.Option(help="Weights of the policy.")] = "",
    round_number: Annotated[
        int,
        typer.Option("--round", min=1, help="With --policy: of the aggregation, in folder names."),
    ] = 1,
    policy_share: Annotated[
        float, typer.Option(help="With --policy: share of the steps that it drives, to 1.")
    ] = 0.6,
    device: Annotated[str, typer.Option(help="Of the policy: auto, cpu, cuda.")] = "auto",
    url: Annotated[str, typer.Option(help="Of a policy server, for --policy remote.")] = "",
    images: Annotated[
        str, typer.Option(help="raw, or compressed: colour as JPEG, depth as lossless PNG.")
    ] = "compressed",
    max_steps: Annotated[
        int | None,
        typer.Option(min=1, help="Control steps of one attempt; 200, with --policy 300."),
    ] = None,
    attempts: Annotated[
        int,
        typer.Option(min=1, help="With --noise or --policy: attempts until a scene succeeds."),
    ] = 3,
    keep_failures: Annotated[
        bool, typer.Option("--keep-failures", help="Keep failed scenes, labelled failure.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Measure only, nothing is stored; without a policy no images either."
        ),
    ] = False,
    engine: Annotated[str, typer.Option(help="local, or ray for a Ray cluster.")] = "local",
    as_json: JsonFlag = False,
) -> None:
    """Collect successful episodes of a task in simulation, resumable and deterministic.

    A scene's episode depends on its seed alone, whatever the number of workers; with a policy
    also on its weights and the round. Run again, the command leaves finished episodes alone and
    does what is missing.
    """
    from spatialbot_model.contracts.episode_images import ImageFormats
    from spatialbot_model.contracts.errors import ConfigurationError
    from spatialbot_model.contracts.glimpse import STEPS_KEY
    from spatialbot_ros.cli.episodes.collect_summary import (
        summarise,
        summarise_glimpses,
        summarise_policy,
        tell,
    )
    from spatialbot_ros.cli.episodes.rollout_arguments import RolloutArguments
    from spatialbot_ros.configuration import load_action_spec, load_cell
    from spatialbot_ros.episodes.step_writer import StepWriterFactory
    from spatialbot_sim.collect import CollectOptions, Job
    from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
    from spatialbot_sim.env_options import EnvOptions
    from spatialbot_sim.expert_noise import NoiseOptions
    from spatialbot_sim.glimpse_collect import GlimpseOptions
    from spatialbot_sim.glimpses import MOMENTS, Moment
    from spatialbot_sim.tasks import sample_scene

    formats = {"raw": ImageFormats(), "compressed": ImageFormats("jpeg", "png")}
    if images not in formats:
        raise ConfigurationError(f"--images {images}: choose one of: {', '.join(formats)}")
    # a task that does not exist is found out here, not in the workers
    sample_scene(task, seed)
    if not policy and (checkpoint or url):
        raise ConfigurationError("--checkpoint and --url belong to a policy; add --policy local")
    if glimpses and (noise or policy or keep_failures):
        raise ConfigurationError(
            "--glimpses are noisy, driven by the expert and never fail; leave out --noise,"
            " --policy and --keep-failures"
        )
    console = make_console(quiet=as_json)
    cell, spec = load_cell(), load_action_spec()
    rollout = RolloutArguments(policy, checkpoint, round_number, policy_share, device, url)
    # a policy looks at the images, also when nothing is stored
    env = EnvOptions(render=not dry_run or bool(policy))
    options: CollectOptions | GlimpseOptions = CollectOptions(
        noise=NoiseOptions() if noise else None,
        rollout=rollout.options(cell, spec) if policy else None,
        max_steps=max_steps or (300 if policy else 200),
        attempts=attempts,
        num_instructions=1 if instructions is None else instructions,
        keep_failures=keep_failures,
        env=env,
    )
    provenance = rollout.provenance() if policy else {}
    if glimpses:
        options = GlimpseOptions(
            glimpse_steps,
            5 if instructions is None else instructions,
            tuple(cast(Moment, name) for name in moments.split(",")) if moments else MOMENTS,
            env=env,
        )
        provenance = {STEPS_KEY: options.num_steps}
    if options.num_instructions > 1:
        provenance["instructions"] = options.num_instructions
    factory = StepWriterFactory(
        output.expanduser().resolve(),
        formats[images],
        software_version=_software_version(),
        provenance=provenance,
    )
    recipe = CollectorRecipe(cell, spec, options, None if dry_run else factory)
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
        "glimpses": glimpses,
        "output": "" if dry_run else str(factory.directory),
        "policy": {**rollout.provenance(), **summarise_policy(results)} if policy else {},
        **summary,
    }
    if glimpses:
        summary = summarise_glimpses(summary, results)
    if as_json:
        typer.echo(json.dumps(summary))
    else:
        tell(console, summary)
    if not any(result.success for result in results):
        raise typer.Exit(1)


def _software_version() -> str:
    try:
        return version("spatialbot_ros")
    except PackageNotFoundError:
        return "unknown"

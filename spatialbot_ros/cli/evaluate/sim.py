"""`spatialbot evaluate sim`: trials in the fast environment."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatialbot_ros.cli.console import JsonFlag, make_console
from spatialbot_ros.cli.evaluate.scenes import DEFAULT_FAMILIES, held_out_scenes

if TYPE_CHECKING:
    from spatialbot_model.policies.base import PolicyConfig

EPILOG = (
    "Examples: `spatialbot evaluate sim --checkpoint out/models/mini --episodes 50 --workers 4` ·"
    " `spatialbot evaluate sim --policy classical --families pick_place --episodes 20 --json`"
)


def evaluate_sim(
    checkpoint: Annotated[str, typer.Option(help="Weights of the policy.")] = "",
    policy: Annotated[str, typer.Option(help="Policy by name.")] = "local",
    families: Annotated[
        str, typer.Option(help="Families of SpatialQA-E or names of tasks, with commas.")
    ] = DEFAULT_FAMILIES,
    episodes: Annotated[int, typer.Option(min=1, help="Scenes per family.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="How far into the test seeds to begin.")] = 0,
    novelty: Annotated[
        str, typer.Option(help="Only such scenes: all, none, paraphrase, object, combination.")
    ] = "all",
    workers: Annotated[int, typer.Option(min=1, help="Processes, one core each.")] = 1,
    output: Annotated[Path, typer.Option("--out", help="Folder of the results.")] = Path(
        "out/evaluation"
    ),
    max_steps: Annotated[int, typer.Option(min=1, help="Control steps before time is up.")] = 200,
    device: Annotated[str, typer.Option(help="Where weights are put: cpu, cuda, auto.")] = "cpu",
    depth: Annotated[
        str, typer.Option(help="What the policy sees of it: normal, zero, shuffled.")
    ] = "normal",
    history: Annotated[
        int, typer.Option(min=0, help="Frames the policy sees; 0 = all, others are repeated.")
    ] = 0,
    instruction_mode: Annotated[
        str, typer.Option(help="normal, or counterfactual: another one about the same table.")
    ] = "normal",
    films: Annotated[
        int, typer.Option(min=0, help="Failures per family to show in failures.png and .mp4.")
    ] = 4,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, help="Wall seconds after which an answer is given up.")
    ] = 60.0,
    as_json: JsonFlag = False,
) -> None:
    """Success of a policy on test scenes in the fast environment, resumable and deterministic.

    Run again with the same output folder, the command does what is missing: more episodes,
    further families, or the rest of an interrupted run.
    """
    from spatialbot_model.evaluation.trials_file import TrialsFolder, checkpoint_hash
    from spatialbot_model.policies.base import PolicyConfig
    from spatialbot_ros.cli.evaluate.output import progress_bar, show_report, write_reports
    from spatialbot_ros.configuration import load_action_spec, load_cell
    from spatialbot_ros.episodes.failure_film import FailureFilmFactory, write_failures
    from spatialbot_sim.evaluate import EvaluateOptions
    from spatialbot_sim.evaluate_pool import EvaluatorRecipe, run_trials

    console = make_console(quiet=as_json)
    spec = load_action_spec()
    config = PolicyConfig(
        spec, load_cell(), checkpoint, device=device, num_threads=1, timeout_s=timeout_s
    )
    options = EvaluateOptions(
        max_steps=max_steps,
        depth=depth,  # type: ignore[arg-type]  # checked by the options
        num_frames=history,
        instructions=instruction_mode,  # type: ignore[arg-type]  # so is this
    )
    _find_out_early(policy, config)
    other = instruction_mode == "counterfactual"
    jobs = held_out_scenes(families, episodes, seed, novelty, other)
    conditions: dict[str, Any] = {
        "environment": "fast",
        "policy": policy,
        "checkpoint": checkpoint,
        "checkpoint_hash": checkpoint_hash(Path(checkpoint)) if checkpoint else "",
        "action_spec": spec.id,
        **asdict(options),
    }
    results = TrialsFolder.open(output.expanduser(), conditions)
    wanted = {(job.task, job.seed) for job in jobs}
    done = {trial.scene for trial in results.trials}
    missing = [job for job in jobs if (job.task, job.seed) not in done]
    pictures = results.folder / "failures"
    film = FailureFilmFactory(pictures.resolve(), films) if films else None
    recipe = EvaluatorRecipe(config.cell, spec, options, policy, config, film)
    begun_s = time.monotonic()
    with progress_bar(console) as bar:
        shown = bar.add_task("trials", total=len(jobs), completed=len(jobs) - len(missing))
        successes = sum(t.success for t in results.trials if t.scene in wanted)
        for trial in run_trials(recipe, missing, workers):
            results.add(trial)
            successes += trial.success
            bar.advance(shown)
            bar.update(shown, description=f"{successes} successes")
    wall_s = time.monotonic() - begun_s
    names = (results.folder / "failures.png", results.folder / "failures.mp4")
    shown_failures = write_failures(pictures, *names) if missing and films else 0
    results.trials = [trial for trial in results.trials if trial.scene in wanted]
    report = write_reports(
        results,
        {
            "families_asked_for": families,
            "episodes": episodes,
            "seed": seed,
            "workers": workers,
            "new_trials": len(missing),
            "failures_shown": shown_failures,
            "wall_time_s": round(wall_s, 1),
        },
    )
    if as_json:
        typer.echo(json.dumps(report))
    else:
        show_report(console, report, results.folder)


def _find_out_early(policy: str, config: "PolicyConfig") -> None:
    """Make the policy once, so that what is wrong with it is said before workers start.

    Raises:
        SpatialBotError: the policy cannot be made.
    """
    from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
    from spatialbot_model.policies.registry import POLICIES

    if policy not in POLICIES:
        raise UnknownNameError("policy", policy, POLICIES)
    if policy == "local" and not config.checkpoint:
        raise ConfigurationError("give --checkpoint FOLDER, or --policy with another policy's name")

"""`spatialbot train`: recipes by name, episodes in, a checkpoint out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.cli.console import JsonFlag, make_console

if TYPE_CHECKING:
    from spatialbot_model.training.recipe import Recipe

EPILOG = (
    "Examples: `spatialbot train` lists the recipes ·"
    " `spatialbot train mini-rgbd --data out/episodes --out out/train/a` ·"
    " `spatialbot train mini-rgbd --data out/episodes --data out/round1=2 --from"
    " out/train/a/checkpoint --out out/train/b --set steps=3000` ·"
    " `spatialbot train mini-rgbd --data out/episodes --out out/train/a --resume` ·"
    " `accelerate launch --num_processes 2 -m spatialbot_ros.cli train mini-rgbd ...`"
)


def train(
    recipe: Annotated[str, typer.Argument(help="Recipe; left out, they are listed.")] = "",
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR[=WEIGHT]",
            help="Episodes, or a file of questions; repeatable. The weight is that of each sample.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for states, log, curves and checkpoint.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--from", help="Checkpoint to start from; else a new model.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Tokenizer of a new model's language model.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Hyper-parameter; repeatable."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the training in --out stopped.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for frames and features; default ~/.cache.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the hyper-parameters only.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Train a policy on recorded episodes; interrupted, it saves and can be resumed."""
    from spatialbot_model.training.recipes import RECIPES, describe_recipe, make_recipe

    console = make_console(as_json)
    if not recipe:
        if as_json:
            typer.echo(json.dumps({name: describe_recipe(name) for name in RECIPES}))
            return
        table = Table("recipe", "what it trains")
        for name in RECIPES:
            table.add_row(name, describe_recipe(name))
        console.print(table)
        return
    values = _settings(settings or [])
    if resume:
        from spatialbot_model.training.run import resumed_run

        if out is None:
            raise ConfigurationError("--resume needs the folder of the training: --out DIR")
        chosen, stored = resumed_run(out, recipe, values)
        data = data or stored["data"]
        cache = cache or Path(stored["cache"])
        start = start or (Path(stored["start"]) if stored["start"] else None)
    else:
        chosen = make_recipe(recipe, values)
    if show:
        typer.echo(json.dumps(chosen.to_mapping(), indent=1))
        return
    if not data or out is None:
        raise ConfigurationError(
            "say where the episodes lie and where to write: --data DIR --out DIR"
        )
    result, is_main = _run(chosen, data, out, start, tokenizer, resume, cache, console)
    if as_json and is_main:
        typer.echo(json.dumps(result))
    if result["signal"]:
        if is_main:
            console.print(f"stopped after {result['step']} steps; go on with --resume")
        raise typer.Exit(128 + int(result["signal"]))


def _settings(texts: list[str]) -> dict[str, str]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {text}: expected KEY=VALUE")
        values[name] = value
    return values


def _run(
    recipe: "Recipe",
    data: list[str],
    out: Path,
    start: Path | None,
    tokenizer: Path | None,
    resume: bool,
    cache: Path | None,
    console: Console,
) -> tuple[dict[str, Any], bool]:
    from spatialbot_model.training.run import TrainingRequest, run_training
    from spatialbot_ros.cli.training_curves import draw_curves
    from spatialbot_ros.cli.training_progress import TrainingProgress
    from spatialbot_ros.cli.training_start import make_start

    with TrainingProgress(console, recipe.steps) as progress:
        result = run_training(
            TrainingRequest(
                recipe=recipe,
                data=tuple(data),
                folder=out,
                cache=cache or Path.home() / ".cache" / "spatialbot" / "training",
                start=start,
                make_start=lambda preset, folder, seed, spec: make_start(
                    preset, folder, seed, spec, tokenizer
                ),
                resume=resume,
            ),
            observer=progress.show,
            report=progress.note,
        )
    curves = draw_curves(out) if progress.is_main else None
    if curves is not None:
        console.print(f"curves: {curves}")
    if result.checkpoint is not None and progress.is_main:
        console.print(f"checkpoint: {result.checkpoint}")
    values = {
        "step": result.step,
        "finished": result.finished,
        "signal": result.signal_number,
        "curves": None if curves is None else str(curves),
        "checkpoint": None if result.checkpoint is None else str(result.checkpoint),
        "scores": result.scores,
        "training_seconds": round(result.seconds, 1),
    }
    return values, progress.is_main

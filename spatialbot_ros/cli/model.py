"""`spatialbot model`: make, import and look at checkpoints."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from spatialbot_ros.cli.console import JsonFlag, make_console

app = typer.Typer(no_args_is_help=True, help="Make, import and look at checkpoints.")

_EXAMPLE_INSTRUCTION = "pick up the red cube and put it on the left cutting board"


@app.command(epilog="Example: `spatialbot model new mini out/models/mini --seed 0`")
def new(
    preset: Annotated[str, typer.Argument(help="mini, tiny, qwen1.5-0.5b-clip-l-336, ...")],
    folder: Annotated[Path, typer.Argument(help="New folder for the checkpoint.")],
    seed: Annotated[int, typer.Option(help="Of the random weights.")] = 0,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder of the language model's tokenizer.")
    ] = None,
    template: Annotated[str, typer.Option(help="Prompt template by name.")] = "compact",
    parallel: Annotated[
        bool, typer.Option("--parallel", help="To be trained to give all seven actions at once.")
    ] = False,
    depth_tool: Annotated[
        bool, typer.Option("--depth-tool", help="To be trained to look depths up before it acts.")
    ] = False,
    action_spec: Annotated[str, typer.Option(help="Action spec YAML; empty = shipped.")] = "",
) -> None:
    """Make an untrained checkpoint; vision weights are pretrained where they can be had."""
    from spatialbot_model.inference.checkpoints import create_checkpoint
    from spatialbot_ros.configuration import load_action_spec

    model, _ = create_checkpoint(
        preset,
        folder,
        seed=seed,
        action_spec=load_action_spec(action_spec),
        tokenizer=tokenizer,
        template=template,
        parallel_actions=parallel,
        depth_tool=depth_tool,
    )
    count = sum(parameter.numel() for parameter in model.parameters())
    make_console().print(f"{folder}: {preset}, {count / 1e6:.2f} M parameters, untrained")


@app.command(
    "import",
    epilog="Example: `spatialbot model import SpatialBot-3B out/models/spatialbot-3b`",
)
def import_(
    source: Annotated[Path, typer.Argument(help="Folder of the released checkpoint.")],
    destination: Annotated[Path, typer.Argument(help="New folder in our format.")],
    base: Annotated[Path | None, typer.Option(help="What a LoRA adapter belongs to.")] = None,
    vision_tower: Annotated[
        Path | None, typer.Option(help="CLIP or SigLIP folder, where the checkpoint has none.")
    ] = None,
    tokenizer: Annotated[Path | None, typer.Option(help="Folder with the tokenizer.")] = None,
    template: Annotated[str, typer.Option(help="Prompt template by name.")] = "release-training",
    action_spec: Annotated[
        Path | None, typer.Option(help="What its actions mean, YAML; without, it only talks.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Convert a released SpatialBot or Bunny checkpoint; every weight is accounted for."""
    from spatialbot_model.inference.release_checkpoint import import_release_checkpoint
    from spatialbot_ros.configuration import load_action_spec

    console = make_console(as_json)
    report = import_release_checkpoint(
        source,
        destination,
        base=base,
        vision_tower=vision_tower,
        tokenizer=tokenizer,
        template=template,
        action_spec=load_action_spec(str(action_spec)) if action_spec else None,
        report=lambda line: console.print(line, markup=False),
    )
    values = {
        "folder": str(report.destination),
        "model_type": report.model_type,
        "parameters": report.num_parameters,
        "dtype": report.dtype,
        "merged_adapters": report.merged_adapters,
        "vision_from": report.vision_from,
        "rows_cut": report.num_rows_cut,
        "zero_filled": list(report.zero_filled),
        "ignored": list(report.ignored),
    }
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table("imported", "", show_header=False)
    for name, value in values.items():
        table.add_row(name, ", ".join(value) if isinstance(value, list) else str(value))
    console.print(table)


@app.command(
    epilog="Example: `spatialbot model card out/train/a/checkpoint --evaluation out/eval/a`",
)
def card(
    folder: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of `spatialbot evaluate sim` or `ros`; repeatable."),
    ] = None,
    title: Annotated[str, typer.Option(help="Empty = name of the folder.")] = "",
    limits: Annotated[
        Path | None, typer.Option(help="Markdown: what to know before using it.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Folder of the training, for its curves.")
    ] = None,
) -> None:
    """Write README.md beside the weights: what they are, how they were trained, what they score."""
    from spatialbot_model.evaluation.model_card import write_model_card
    from spatialbot_ros.cli.training_curves import CURVES_NAME, draw_curves

    picture = ""
    if run is not None and (drawn := draw_curves(run)) is not None:
        shutil.copyfile(drawn, folder / CURVES_NAME)
        picture = CURVES_NAME
    written = write_model_card(
        folder,
        title or folder.resolve().name,
        evaluation or (),
        limits=limits.read_text(encoding="utf-8") if limits else "",
        picture=picture,
    )
    make_console().print(f"{written} is written", markup=False)


@app.command(epilog="Example: `spatialbot model info out/models/mini --json`")
def info(
    folder: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    as_json: JsonFlag = False,
) -> None:
    """What a checkpoint is made of and which robot it was made for."""
    from spatialbot_model.inference.model_info import describe_checkpoint

    values = describe_checkpoint(folder)
    if as_json:
        typer.echo(json.dumps(values))
        return
    table = Table("checkpoint", str(folder))
    for name, value in values.items():
        table.add_row(name, json.dumps(value) if isinstance(value, dict) else str(value))
    make_console().print(table)


@app.command(
    "show-prompt",
    epilog="Examples: `spatialbot model show-prompt out/models/mini` ·"
    " `spatialbot model show-prompt out/models/mini --question 'How far away is the cup?'`",
)
def show_prompt(
    folder: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    instruction: Annotated[str, typer.Option(help="Of a control step.")] = _EXAMPLE_INSTRUCTION,
    question: Annotated[str, typer.Option(help="A question instead, with a depth query.")] = "",
    frames: Annotated[int, typer.Option(min=1, max=8, help="Frames of a control step.")] = 4,
    depth: Annotated[bool, typer.Option(help="A depth image beside each colour image.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Print the tokens of an example, coloured by what training does with them."""
    from spatialbot_model.contracts.types import IMAGE_ROLES
    from spatialbot_model.processing.example_prompts import action_example, question_example
    from spatialbot_model.processing.processor import SpatialBotProcessor
    from spatialbot_model.processing.show_prompt import describe_prompt, prompt_json, prompt_text

    processor = SpatialBotProcessor.from_pretrained(folder)
    roles = IMAGE_ROLES if depth else IMAGE_ROLES[:1]
    if question:
        conversation, ages = question_example(question, 1, roles)
    else:
        conversation, ages = action_example(processor, instruction, frames, roles)
    tokens = describe_prompt(processor, conversation, ages)
    if as_json:
        typer.echo(json.dumps(prompt_json(tokens)))
    else:
        make_console().print(prompt_text(tokens))

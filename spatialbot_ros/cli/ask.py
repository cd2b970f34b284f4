"""`spatialbot ask`: a question about an image, answered with depth queries."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from spatialbot_ros.cli.console import JsonFlag, make_console

EPILOG = (
    "Example: `spatialbot ask --checkpoint out/models/mini --image rgb.png --depth depth.png"
    " 'How far away is the cup?'`"
)
_STYLES = {"user": "bold", "assistant": "green", "tool": "cyan"}


def ask(
    question: Annotated[str, typer.Argument(help="May name <image 1>, <image 2> ...")],
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint folder.")],
    image: Annotated[list[Path] | None, typer.Option(help="Colour image; repeatable.")] = None,
    depth: Annotated[
        list[Path] | None,
        typer.Option(help="16-bit PNG in millimetres, one per colour image; repeatable."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    max_depth_queries: Annotated[int, typer.Option(min=0, help="Rounds of the depth tool.")] = 3,
    max_tokens: Annotated[int, typer.Option(min=16, help="Longest answer of one turn.")] = 256,
    as_json: JsonFlag = False,
) -> None:
    """Ask the model about images; prints the conversation with its depth queries."""
    from spatialbot_model.contracts.errors import ConfigurationError
    from spatialbot_model.contracts.types import PromptImage
    from spatialbot_model.inference.threads import wait_passively

    wait_passively()
    from spatialbot_model.inference.engine import Engine
    from spatialbot_model.inference.options import EngineOptions
    from spatialbot_model.processing.image_files import read_depth_mm, read_rgb

    colors, depths = image or [], depth or []
    if depths and len(depths) != len(colors):
        raise ConfigurationError(
            f"{len(colors)} colour and {len(depths)} depth images; give one depth image for each"
            " colour image, in the same order, or none"
        )
    images = []
    for index, path in enumerate(colors):
        images.append(PromptImage("rgb", read_rgb(path)))
        if depths:
            images.append(PromptImage("depth", read_depth_mm(depths[index])))
    options = EngineOptions(
        device=device, max_depth_queries=max_depth_queries, max_chat_tokens=max_tokens
    )
    answer = Engine.load(checkpoint, options).chat(images, question)
    if as_json:
        values = {
            "text": answer.text,
            "messages": [{"role": m.role, "text": m.text} for m in answer.conversation.messages],
            "depth_answers": [
                {"x": a.x, "y": a.y, "depth_mm": a.depth_mm} for a in answer.depth_answers
            ],
            "limit_reached": answer.limit_reached,
            "stage_ms": dict(answer.stage_ms),
        }
        typer.echo(json.dumps(values))
        return
    console = make_console()
    for message in answer.conversation.messages:
        style = _STYLES[message.role]
        console.print(
            Text.assemble((f"{message.role:>9}  ", f"bold {style}"), (message.text, style))
        )
    if answer.limit_reached:
        console.print("[yellow]the answer was cut: it reached the limit of tokens or queries")

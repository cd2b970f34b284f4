"""`spatialbot serve-files`: a policy for robots that run the release's scripts."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from spatialbot_ros.cli.console import make_console

EPILOG = "Example: `spatialbot serve-files exchange/ --checkpoint out/models/mini --form vector`"


def serve_files(
    folder: Annotated[Path, typer.Argument(help="Holds ros_img/ and ros_answer/.")],
    policy: Annotated[str, typer.Option(help="Policy by name.")] = "local",
    checkpoint: Annotated[str, typer.Option(help="Its weights.")] = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    form: Annotated[
        str, typer.Option(help="Answers: text (CALVIN) or vector (eight numbers, RT-X).")
    ] = "text",
    max_age: Annotated[float, typer.Option(help="Seconds after which an image is stale.")] = 2.0,
    action_spec: Annotated[str, typer.Option(help="Action spec YAML; empty = shipped.")] = "",
) -> None:
    """Answer the image and JSON files of the released robot scripts until Ctrl-C."""
    from spatialbot_model.contracts.errors import UnknownNameError
    from spatialbot_model.policies.base import PolicyConfig
    from spatialbot_model.policies.registry import make_policy
    from spatialbot_model.serving.file_exchange import (
        ANSWER_FORMS,
        ExchangeOptions,
        FileExchange,
    )
    from spatialbot_ros.configuration import load_action_spec, load_cell

    known = next((name for name in ANSWER_FORMS if name == form), None)
    if known is None:
        raise UnknownNameError("answer form", form, ANSWER_FORMS)
    spec, cell = load_action_spec(action_spec), load_cell()
    options = ExchangeOptions(
        folder,
        answer_form=known,
        action_spec=spec,
        intrinsics=cell.camera.color,
        T_base_camera=cell.camera.T_base_color,
        max_age_s=max_age,
    )
    config = PolicyConfig(action_spec=spec, cell=cell, checkpoint=checkpoint, device=device)
    console = make_console()
    with console.status("loading"):
        answering = make_policy(policy, config)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    console.print(f"answering in {folder} with policy {policy}; Ctrl-C ends it")
    try:
        FileExchange(options, answering).run(stop)
    finally:
        answering.close()

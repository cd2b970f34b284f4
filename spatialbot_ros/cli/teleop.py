"""`spatialbot teleop`: move the arm by hand, in this terminal."""

import os
from typing import Annotated

import typer

EPILOG = (
    "Examples: `spatialbot teleop` beside `spatialbot up pick_place` · on the robot:"
    " `spatialbot teleop --device gamepad --hardware --task stack --instruction 'put the red cube"
    " on the blue one'`"
)


def teleop(
    device: Annotated[str, typer.Option(help="keyboard, gamepad or spacemouse.")] = "keyboard",
    device_path: Annotated[str, typer.Option(help="Of the gamepad; empty = the first.")] = "",
    view: Annotated[
        str, typer.Option(help="Where you stand: robot (behind it) or camera (opposite).")
    ] = "robot",
    speed_level: Annotated[int, typer.Option(min=0, max=5, help="At the start.")] = 2,
    task: Annotated[str, typer.Option(help="Of recorded episodes; empty = simulation's.")] = "",
    instruction: Annotated[str, typer.Option(help="Of recorded episodes.")] = "",
    seed: Annotated[int, typer.Option(min=-1, help="Their scene's seed; -1 = none.")] = -1,
    simulation: Annotated[
        bool, typer.Option("--simulation/--hardware", help="Simulated or real time.")
    ] = True,
    action_spec_file: Annotated[str, typer.Option(help="YAML; empty = shipped.")] = "",
) -> None:
    """Move the arm by hand and record episodes; your actions override the policy."""
    import json

    from spatialbot_ros.process_group import node_environment

    # read by the middleware when it is loaded
    os.environ.update(node_environment())
    from spatialbot_ros.nodes.teleop import main

    parameters = {
        "use_sim_time": simulation,
        "device": device,
        "device_path": device_path,
        "view": view,
        "speed_level": speed_level,
        "task": task,
        "instruction": instruction,
        "seed": seed,
        "action_spec_file": action_spec_file,
    }
    arguments = ["teleop", "--ros-args"]
    for name, value in parameters.items():
        # YAML would read an empty text, or a number in one, as something else
        arguments += ["-p", f"{name}:={json.dumps(value)}"]
    raise typer.Exit(main(arguments))

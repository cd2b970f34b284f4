"""`spatialbot up`: the nodes, where there is no `ros2 launch`."""

import signal
from typing import Annotated

import typer
from rich.table import Table

from spatialbot_ros.cli.console import make_console

EPILOG = "Example: `spatialbot up pick_place simulation:=true viewer:=rerun`"


def up(
    launch: Annotated[str, typer.Argument(help="What to start: pick_place.")] = "pick_place",
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="NAME:=VALUE", help="Launch arguments.")
    ] = None,
    show_args: Annotated[
        bool, typer.Option("--show-args", help="List the arguments and their defaults.")
    ] = False,
    with_parent: Annotated[
        int, typer.Option(hidden=True, help="End when the parent, of this pid, has ended.")
    ] = 0,
) -> None:
    """Start the nodes like `ros2 launch` does, on machines without it. Ctrl-C stops all."""
    from spatialbot_model.contracts.errors import UnknownNameError
    from spatialbot_ros.bringup import PICK_PLACE_ARGUMENTS, pick_place_nodes, split_assignments
    from spatialbot_ros.process_group import run_nodes
    from spatialbot_ros.with_parent import end_with_parent

    if with_parent:
        end_with_parent(signal.SIGINT, with_parent)
    if launch != "pick_place":
        raise UnknownNameError("launch", launch, ["pick_place"])
    if show_args:
        table = Table("argument", "default", "choices", "description")
        for argument in PICK_PLACE_ARGUMENTS:
            table.add_row(
                argument.name,
                argument.default_text,
                ", ".join(argument.choices),
                argument.description,
            )
        make_console().print(table)
        return
    raise typer.Exit(run_nodes(pick_place_nodes(split_assignments(arguments or []))))

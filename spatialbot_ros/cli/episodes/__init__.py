"""`spatialbot episodes`: everything about recorded episodes, one module per group of commands."""

import typer

from spatialbot_ros.cli.episodes import collect, convert, export, manage, replay

app = typer.Typer(
    no_args_is_help=True, help="Collect, look at, repair, replay and convert episodes."
)
for group in (collect, manage, replay, convert, export):
    group.register(app)

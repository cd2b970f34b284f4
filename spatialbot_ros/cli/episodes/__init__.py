"""`spatialbot episodes`: everything about recorded episodes, one module per group of commands."""

import typer

from spatialbot_ros.cli.episodes import convert, manage, replay

app = typer.Typer(no_args_is_help=True, help="Look at, repair, replay and convert episodes.")
for group in (manage, replay, convert):
    group.register(app)

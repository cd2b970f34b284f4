"""`spatialbot status`: how the running nodes are doing, live in this terminal."""

import json
import os
from typing import Annotated

import typer

from spatialbot_ros.cli.console import JsonFlag, make_console

EPILOG = (
    "Examples: `spatialbot status` beside `spatialbot up pick_place` · in a script:"
    " `spatialbot status --json`"
)
_REFRESH_S = 0.25


def status(
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    listen_s: Annotated[
        float, typer.Option(min=0.1, max=60.0, help="With --once and --json: seconds to listen.")
    ] = 3.0,
    as_json: JsonFlag = False,
) -> None:
    """Show rates, latencies, drops and faults of all nodes. Ctrl-C ends it.

    With --once and --json the exit code is 1 when no node is heard, when one tells of an error,
    or when one has fallen silent.
    """
    from rich.live import Live

    from spatialbot_model.contracts.errors import StaleDataError
    from spatialbot_ros.process_group import node_environment

    # read by the middleware when it is loaded
    os.environ.update(node_environment())
    from spatialbot_ros.cli.status_screen import render
    from spatialbot_ros.nodes.status_listener import StatusListener
    from spatialbot_ros.suite_status import Level

    with StatusListener() as listener:
        if not once and not as_json:
            try:
                with Live(render(listener.report(0.0)), screen=True, auto_refresh=False) as live:
                    while True:
                        live.update(render(listener.report(_REFRESH_S)), refresh=True)
            except KeyboardInterrupt:
                raise typer.Exit(0) from None
        report = listener.report(listen_s)
    if as_json:
        typer.echo(json.dumps(report.to_mapping()))
    elif report.parts:
        make_console().print(render(report))
    else:
        raise StaleDataError(
            f"no node was heard within {listen_s:g} s; is the suite running (`spatialbot up"
            " pick_place`), with the same ROS_DOMAIN_ID as here?"
        )
    raise typer.Exit(0 if report.parts and report.level < Level.ERROR else 1)

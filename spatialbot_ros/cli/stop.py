"""`spatialbot stop`: bring the arm to rest, from any terminal."""

from typing import Annotated

import typer

from spatialbot_ros.cli.console import make_console

EPILOG = "Example: `spatialbot stop` (go on with `ros2 service call /spatialbot/resume`)"


def stop(
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds to wait for the answer.")
    ] = 5.0,
) -> None:
    """Stop the arm and latch it. Not an emergency stop: that one is a red button."""
    from spatialbot_ros.nodes.stop import request_stop

    make_console().print(request_stop(timeout_s))

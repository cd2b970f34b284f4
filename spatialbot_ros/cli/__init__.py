"""The `spatialbot` command: one module per subcommand, put together here."""

import typer
from rich.text import Text

from spatialbot_model.contracts.errors import SpatialBotError
from spatialbot_ros.cli import (
    ask,
    bench,
    demo,
    episodes,
    evaluate,
    model,
    qa,
    serve,
    serve_files,
    status,
    stop,
    teleop,
    train,
    up,
)
from spatialbot_ros.cli.console import make_console

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="SpatialBot for ROS 2: record, train and run a depth-aware VLA on a Franka FR3.",
)
app.command(epilog=demo.EPILOG)(demo.demo)
app.command(epilog=up.EPILOG, context_settings={"ignore_unknown_options": True})(up.up)
app.command(epilog=ask.EPILOG)(ask.ask)
app.command(epilog=serve.EPILOG)(serve.serve)
app.command("serve-files", epilog=serve_files.EPILOG)(serve_files.serve_files)
app.command(epilog=status.EPILOG)(status.status)
app.command(epilog=stop.EPILOG)(stop.stop)
app.command(epilog=teleop.EPILOG)(teleop.teleop)
app.command(epilog=train.EPILOG)(train.train)
app.command(epilog=bench.EPILOG)(bench.bench)
app.add_typer(model.app, name="model")
app.add_typer(episodes.app, name="episodes")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(qa.app, name="qa")


def main() -> None:
    """Entry point: a user's error is one line and exit code 1, never a traceback."""
    try:
        app()
    except SpatialBotError as error:
        # the message may hold brackets, which are no markup
        make_console(quiet=True).print(Text.assemble(("error: ", "bold red"), str(error)))
        raise SystemExit(1) from error

"""Where commands write: people read the console, scripts read stdout."""

from typing import Annotated

import typer
from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def make_console(quiet: bool = False) -> Console:
    """The console for people; with --json (`quiet`) it is stderr."""
    return Console(stderr=quiet, highlight=False, soft_wrap=True)

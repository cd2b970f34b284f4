"""`spatialbot bench`: measurements against a baseline of the same run."""

from typing import Annotated

import typer
from rich.table import Table

from spatialbot_ros.cli.console import JsonFlag, make_console

EPILOG = "Examples: `spatialbot bench` lists them · `spatialbot bench codec --json`"


def bench(
    name: Annotated[str, typer.Argument(help="Benchmark; left out, they are listed.")] = "",
    run_all: Annotated[bool, typer.Option("--all", help="Run every benchmark.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Measure, as a ratio to a named baseline in the same run."""
    from spatialbot_ros.benchmarks import BENCHMARKS, run_benchmark

    console = make_console(as_json)
    if not name and not run_all:
        table = Table("benchmark", "what it measures")
        for key, benchmark in BENCHMARKS.items():
            table.add_row(key, benchmark.description)
        console.print(table)
        return
    for key in [name] if name else BENCHMARKS:
        result = run_benchmark(key)
        if as_json:
            typer.echo(result.to_json())
            continue
        table = Table(title=f"{key}: {result.ratio:.2f} x {result.baseline}")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for figure, value in result.figures.items():
            table.add_row(figure, f"{value:.4g}" if isinstance(value, float) else str(value))
        console.print(table)
        console.print(f"n = {result.n}, {result.machine}")

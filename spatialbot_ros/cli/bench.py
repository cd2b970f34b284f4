"""`spatialbot bench`: measurements against a baseline of the same run."""

from typing import Annotated, Any

import typer
from rich.table import Table

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.cli.console import JsonFlag, make_console

EPILOG = (
    "Examples: `spatialbot bench` lists them · `spatialbot bench codec --json` ·"
    " `spatialbot bench inference --set preset=mini --set num_steps=100`"
)


def bench(
    name: Annotated[str, typer.Argument(help="Benchmark; left out, they are listed.")] = "",
    run_all: Annotated[bool, typer.Option("--all", help="Run every benchmark.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the benchmark; repeatable."),
    ] = None,
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
    if settings and not name:
        raise ConfigurationError("--set is for one benchmark; name it")
    for key in [name] if name else BENCHMARKS:
        result = run_benchmark(key, **_options(key, settings or []))
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


def _options(name: str, settings: list[str]) -> dict[str, Any]:
    from spatialbot_ros.benchmarks import BENCHMARKS

    texts = dict(text.partition("=")[::2] for text in settings)
    if not settings or name not in BENCHMARKS:
        return {}
    return BENCHMARKS[name].parse_options(texts)

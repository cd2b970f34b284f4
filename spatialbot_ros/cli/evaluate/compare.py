"""`spatialbot evaluate compare`: two evaluations on the same scenes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from spatialbot_ros.cli.console import JsonFlag, make_console

if TYPE_CHECKING:
    from spatialbot_model.contracts.trial import Trial

EPILOG = "Example: `spatialbot evaluate compare out/eval/mini-rgbd out/eval/mini-rgb`"


def evaluate_compare(
    a: Annotated[Path, typer.Argument(help="Folder of an evaluation.")],
    b: Annotated[Path, typer.Argument(help="Folder of the one it is compared with.")],
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Risk of a wrong decision.")
    ] = 0.05,
    output: Annotated[
        Path | None, typer.Option("--out", help="File to write the comparison to as JSON.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Who is better, by how much, and whether that is settled: paired on the same scenes.

    The difference comes with Newcombe's interval for paired proportions. McNemar's exact test is
    for a number of scenes fixed beforehand; the sequential test holds however often one looks.
    """
    from spatialbot_model.evaluation.comparison import compare_outcomes, pair_trials
    from spatialbot_model.evaluation.summary import novelty_name
    from spatialbot_model.evaluation.trials_file import TrialsFolder

    results = [TrialsFolder.read(folder) for folder in (a, b)]
    pairs = pair_trials(results[0].trials, results[1].trials)

    def compared(chosen: "Sequence[tuple[Trial, Trial]]") -> dict[str, Any]:
        outcomes = [(first.success, second.success) for first, second in chosen]
        return asdict(compare_outcomes(outcomes, alpha))

    families = sorted({first.family for first, _ in pairs})
    novelties = sorted({novelty_name(first) for first, _ in pairs})
    conditions = [result.conditions for result in results]
    differs = sorted(
        key
        for key in {*conditions[0], *conditions[1]}
        if conditions[0].get(key) != conditions[1].get(key)
    )
    report = {
        "a": str(a),
        "b": str(b),
        "alpha": alpha,
        "differs": {key: [condition.get(key) for condition in conditions] for key in differs},
        "unpaired": [len(result.trials) - len(pairs) for result in results],
        "all": compared(pairs),
        "families": {
            name: compared([pair for pair in pairs if pair[0].family == name]) for name in families
        },
        "novelty": {
            name: compared([pair for pair in pairs if novelty_name(pair[0]) == name])
            for name in novelties
        },
    }
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _tell(report)


def _tell(report: Mapping[str, Any]) -> None:
    console = make_console()
    shown = Table("group", "n", "a only", "b only", "a - b, points", "McNemar p", "sequential")
    novelties = {f"new: {name}": values for name, values in report["novelty"].items()}
    for name, values in {**report["families"], **novelties, "all": report["all"]}.items():
        shown.add_row(
            name,
            str(values["n"]),
            str(values["only_a"]),
            str(values["only_b"]),
            "{:+.1f} ({:+.1f} to {:+.1f})".format(
                *(100.0 * values[key] for key in ("difference", "low", "high"))
            ),
            f"{values['p_value']:.3g}",
            _sequential(values["sequential"]),
        )
    console.print(f"a = {report['a']}\nb = {report['b']}", markup=False)
    if report["differs"]:
        console.print(f"they differ in {', '.join(report['differs'])}", markup=False)
    console.print(shown)


def _sequential(test: Mapping[str, Any]) -> str:
    e_value = 10.0 ** min(test["log10_e_value"], 12.0)
    if test["decided_after"] is None:
        return f"undecided, e = {e_value:.3g}"
    return f"{test['decision']} (after {test['decided_after']} scenes), e = {e_value:.3g}"

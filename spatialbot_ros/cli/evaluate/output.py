"""How evaluations are shown and written."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from spatialbot_model.evaluation.report import markdown_report, rate_text
from spatialbot_model.evaluation.summary import summarise_trials
from spatialbot_model.evaluation.trials_file import TrialsFolder


def progress_bar(console: Console) -> Progress:
    """A bar with counts and times."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def write_reports(results: TrialsFolder, extra: Mapping[str, Any]) -> dict[str, Any]:
    """Write report.json and report.md beside the trials; answers the former.

    Args:
        extra: further entries of report.json.
    """
    trials = sorted(results.trials, key=lambda trial: trial.scene)
    summary = summarise_trials(trials)
    report = {"conditions": results.conditions, **extra, **summary}
    folder = results.folder
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    text = markdown_report(results.conditions, summary)
    (folder / "report.md").write_text(text, encoding="utf-8")
    return report


def show_report(console: Console, report: Mapping[str, Any], folder: Path) -> None:
    """The main figures as a table."""
    shown = Table("group", "success (95 %)", "right object", "right destination", "failures")
    groups = {**report["families"], **_novelties(report), "all": report["all"]}
    for name, figures in groups.items():
        failures = ", ".join(f"{count} {kind}" for kind, count in figures["failures"].items())
        shown.add_row(
            name,
            rate_text(figures["success"]),
            rate_text(figures["right_object"]),
            rate_text(figures["right_destination"]),
            failures or "none",
        )
    console.print(shown)
    console.print(f"Everything is in {folder}/", markup=False)


def _novelties(report: Mapping[str, Any]) -> dict[str, Any]:
    return {f"new: {name}": figures for name, figures in report["novelty"].items()}

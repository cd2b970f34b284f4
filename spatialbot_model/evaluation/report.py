"""An evaluation as Markdown, for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from spatialbot_model.contracts.trial import FAILURE_CLASSES

_SMOOTHNESS = (
    "Acceleration and jerk are the mean sizes of the second and third differences of the measured"
    " positions of the tool centre point, sampled once per control step. Placement errors are those"
    " of successes; steps are those of all trials. *Right object*: the first object lifted was the"
    " one asked for, of the trials in which something was lifted. *Right destination*: what was"
    " lifted last lies over the destination asked for, of the trials in which it was put down."
)


def markdown_report(conditions: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """The text of report.md.

    Args:
        conditions: what the trials were run with.
        summary: as `summary.summarise_trials` answers it.
    """
    total = summary["all"]
    parts = [
        "# Closed-loop evaluation",
        f"Success: **{rate_text(total['success'])}**; intervals are Wilson 95 %.",
        _conditions(conditions),
        "## By family",
        _rates("family", {**summary["families"], "all": total}),
        "## By what is new",
        _rates("of the scene, new is", summary["novelty"]),
        "## Failures",
        _failures({**summary["families"], "all": total}),
        "## Motion",
        _motion({**summary["families"], "all": total}),
        _SMOOTHNESS,
        "## By family and by what is new",
        _rates("group", summary["families_novelty"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def rate_text(rate: Mapping[str, Any] | None) -> str:
    """Such as `45/50 = 90.0 % (78.6 to 95.7)`; a dash without trials."""
    if rate is None:
        return "–"
    low, high = (100.0 * rate[name] for name in ("low", "high"))
    return (
        f"{rate['successes']}/{rate['n']} = {100.0 * rate['rate']:.1f} % ({low:.1f} to {high:.1f})"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _conditions(conditions: Mapping[str, Any]) -> str:
    return table(
        ("condition", "value"),
        [(key, f"`{value}`") for key, value in conditions.items() if value not in ("", None)],
    )


def _rates(name: str, groups: Mapping[str, Any]) -> str:
    with_original = any("did_what_was_not_asked" in figures for figures in groups.values())
    header = [name, "success", "right object", "right destination"]
    if with_original:
        header.append("did what the scene's own instruction asks")
    rows = []
    for group, figures in groups.items():
        row = [group, *(rate_text(figures[key]) for key in ("success", "right_object"))]
        row.append(rate_text(figures["right_destination"]))
        if with_original:
            row.append(rate_text(figures.get("did_what_was_not_asked")))
        rows.append(row)
    return table(header, rows)


def _failures(groups: Mapping[str, Any]) -> str:
    shown = [name for name in FAILURE_CLASSES if name in groups["all"]["failures"]]
    if not shown:
        return "None."
    rows = [
        [group, str(figures["n"]), *(str(figures["failures"].get(name, 0)) for name in shown)]
        for group, figures in groups.items()
    ]
    return table(["family", "n", *shown], rows)


def _motion(groups: Mapping[str, Any]) -> str:
    columns = {
        "steps": "steps",
        "placement_error_mm": "placement error [mm]",
        "path_m": "path [m]",
        "acceleration_m_s2": "acceleration [m/s²]",
        "jerk_m_s3": "jerk [m/s³]",
        "malformed": "unreadable answers",
        "unanswered": "unanswered",
        "policy_ms": "answer [ms]",
        "faults": "control faults",
        "action_rate_hz": "actions [1/s of robot time]",
    }
    shown = [key for key in columns if any(g[key] is not None for g in groups.values())]
    rows = [[name, *(_number(figures[key]) for key in shown)] for name, figures in groups.items()]
    return table(["family", *(columns[key] for key in shown)], rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

"""A model's SpatialBench as a mapping, and several as a table like the paper's Table I."""

from collections.abc import Mapping, Sequence
from typing import Any

from spatialbot_model.evaluation.questions import Question
from spatialbot_model.evaluation.quoted import Quoted
from spatialbot_model.evaluation.spatialbench.records import CATEGORIES, Category
from spatialbot_model.evaluation.spatialbench.release_scoring import release_score
from spatialbot_model.evaluation.spatialbench.strict_scoring import strict_score

TITLES: dict[Category, str] = {
    "depth": "Depth",
    "positional": "Position",
    "existence": "Existence",
    "counting": "Counting",
    "reach": "Reaching",
    "size": "Size",
}


def score_spatialbench(
    categories: Mapping[Category, Sequence[Question]], answers: Mapping[str, str]
) -> dict[str, Any]:
    """Both scores of every category.

    Returns:
        By category `release` (percent or None with the reason `stopped`) and `strict`.
    """
    scores: dict[str, Any] = {}
    for category, questions in categories.items():
        responses = [answers[question.key] for question in questions]
        release = release_score(category, [q.expected for q in questions], responses)
        scores[category] = {
            "release": {
                "percent": release.percent,
                "points": release.points,
                "full": release.full,
                "stopped": release.stopped,
            },
            "strict": strict_score(category, questions, responses),
        }
    return scores


def markdown_table(rows: Mapping[str, Mapping[str, Any]], quoted: Sequence[Quoted] = ()) -> str:
    """Scores of several models below each other, quoted ones at the end and marked.

    Args:
        rows: what `score_spatialbench` answers, by the name of model and input.
    """
    present = {name for scores in rows.values() for name in scores}
    present |= {name for row in quoted for name in row.figures}
    columns = [category for category in CATEGORIES if category in present]
    lines = [
        "| model | scoring | " + " | ".join(TITLES[name] for name in columns) + " |",
        "|---|---|" + "---:|" * len(columns),
    ]
    for name, scores in rows.items():
        for scoring, cell in (("strict", _strict_cell), ("release", _release_cell)):
            cells = [cell(scores.get(column)) for column in columns]
            lines.append(f"| {_plain(name)} | {scoring} | " + " | ".join(cells) + " |")
    for row in quoted:
        cells = [row.figures.get(column, "") for column in columns]
        lines.append(f"| {_plain(row.name)} | *quoted* | " + " | ".join(cells) + " |")
    notes = [
        "",
        "Percent. strict: whole words, tolerant numbers, invalid answers wrong; 95 % interval in"
        " brackets, exact for shares and bootstrap for points; depth is the share of answers"
        " within a ratio of 1.25. release: as the script of the release computes it; a dash where"
        " that script ends without a score.",
    ]
    invalid = _invalid_notes(rows)
    sources = sorted({row.source for row in quoted})
    notes += [f"Quoted, not measured here: {'; '.join(sources)}."] if sources else []
    return "\n".join([*lines, *notes, *invalid]) + "\n"


def _strict_cell(scores: Mapping[str, Any] | None) -> str:
    score = scores["strict"]["score"] if scores else None
    if score is None:
        return ""
    return f"{score['percent']:.1f} [{score['low']:.1f}, {score['high']:.1f}]"


def _release_cell(scores: Mapping[str, Any] | None) -> str:
    if not scores:
        return ""
    percent = scores["release"]["percent"]
    return "–" if percent is None else f"{percent:.1f}"


def _invalid_notes(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    notes = []
    for name, scores in rows.items():
        parts = [
            f"{TITLES[category]} {scores[category]['strict']['invalid']}"
            f"/{scores[category]['strict']['n']}"
            for category in CATEGORIES
            if category in scores and scores[category]["strict"]["invalid"]
        ]
        if parts:
            notes.append(f"Invalid answers of {_plain(name)}: {', '.join(parts)}.")
    return ["", *notes] if notes else []


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

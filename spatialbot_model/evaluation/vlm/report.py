"""Results of general benchmarks as a table like the paper's Table II."""

from collections.abc import Mapping, Sequence
from typing import Any

from spatialbot_model.evaluation.quoted import TABLE_II, Quoted

TITLES = {
    "mme_perception": "MME-P",
    "mme_cognition": "MME-C",
    "mmbench_test": "MMB-T",
    "mmbench_dev": "MMB-D",
    "seed": "SEED-I",
    "vqav2": "VQA v2",
    "gqa": "GQA",
    "pope": "POPE",
}


def markdown_table(
    rows: Mapping[str, Mapping[str, Any]], quoted: Sequence[Quoted] = TABLE_II
) -> str:
    """Headline figures of several models, quoted ones at the end and marked.

    Args:
        rows: `headline` of results, by the name of the model.
    """
    present = {name for figures in rows.values() for name in figures}
    columns = [name for name in TITLES if name in present] or list(TITLES)
    lines = [
        "| model | " + " | ".join(TITLES[name] for name in columns) + " | |",
        "|---|" + "---:|" * len(columns) + "---|",
    ]
    for name, figures in rows.items():
        cells = [f"{figures[c]:.2f}" if c in figures else "" for c in columns]
        lines.append(f"| {name.replace('|', ' ')} | " + " | ".join(cells) + " | |")
    for row in quoted:
        cells = [row.figures.get(column, "") for column in columns]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " | *quoted* |")
    sources = sorted({row.source for row in quoted})
    if sources:
        lines += ["", f"Quoted, not measured here: {'; '.join(sources)}; MME as RGB/RGB-D."]
    return "\n".join(lines) + "\n"

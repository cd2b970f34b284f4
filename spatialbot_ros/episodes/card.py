"""The card of a dataset: README.md as Hugging Face shows it, with pictures."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spatialbot_model.contracts.episode import LABELS
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.card_plots import draw_actions, draw_coverage, draw_episodes
from spatialbot_ros.episodes.card_summary import RELATIONS, CardSummary

CARD_NAME = "README.md"
PICTURE_FOLDER = "card"
_PICTURES = {
    "episodes.png": draw_episodes,
    "actions.png": draw_actions,
    "coverage.png": draw_coverage,
}
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_card(
    summary: CardSummary, folder: Path, *, title: str, licence: str = "", overwrite: bool = False
) -> list[Path]:
    """Write the card and its pictures.

    Args:
        summary: what was counted.
        folder: of the dataset; README.md and ``card/`` go there.
        title: heading.
        licence: identifier as Hugging Face lists them; empty when not decided.
        overwrite: replace a README.md that is there.

    Returns:
        The card, then the pictures.

    Raises:
        RecordingError: there is a README.md already, or the disk does not take it.
        MissingDependencyError: matplotlib is not installed.
    """
    card = folder / CARD_NAME
    if card.exists() and not overwrite:
        raise RecordingError(
            f"{card} exists already; --force replaces it, --output writes elsewhere"
        )
    try:
        pictures = [folder / PICTURE_FOLDER / name for name in _PICTURES]
        for path, draw in zip(pictures, _PICTURES.values(), strict=True):
            draw(summary, path)
        card.parent.mkdir(parents=True, exist_ok=True)
        card.write_text(_card_text(summary, folder, title, licence), encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"{card} cannot be written: {error.strerror or error}") from error
    return [card, *pictures]


def _card_text(summary: CardSummary, folder: Path, title: str, licence: str) -> str:
    header = yaml.safe_dump(_header(summary, folder, title, licence), sort_keys=False)
    return "\n".join(
        [
            f"---\n{header}---\n",
            f"# {title}\n",
            _introduction(summary),
            "## Episodes\n",
            "![Episodes by family and label, and their lengths](card/episodes.png)\n",
            _family_table(summary),
            "## Instructions\n",
            "![Relations and instructions](card/coverage.png)\n",
            _relation_text(summary),
            "## Actions\n",
            "![Distribution of the actions](card/actions.png)\n",
            _action_table(summary),
            "## Recording\n",
            _recording_table(summary),
        ]
    )


def _header(summary: CardSummary, folder: Path, title: str, licence: str) -> dict[str, Any]:
    is_lerobot = (folder / "meta" / "info.json").is_file()
    size = next((name for limit, name in _SIZES if summary.num_steps < limit), "1M<n<10M")
    header: dict[str, Any] = {"pretty_name": title}
    header |= {"license": licence} if licence else {}
    header |= {
        "task_categories": ["robotics"],
        "language": ["en"],
        "size_categories": [size],
        "tags": ["robotics", "manipulation", "rgbd", "spatialbot"]
        + (["LeRobot"] if is_lerobot else []),
    }
    if is_lerobot:
        header["configs"] = [{"config_name": "default", "data_files": "data/*/*.parquet"}]
    return header


def _introduction(summary: CardSummary) -> str:
    hours = sum(summary.durations_s) / 3600.0
    shares = ", ".join(f"{summary.labels[label]} {label}" for label in LABELS)
    counts, details = [], []
    if summary.num_episodes:
        counts.append(f"{summary.num_episodes} episodes of {len(summary.families)} task families")
        details.append(f"an episode has {_span(summary.lengths)}. Labels: {shares}.")
    if summary.num_glimpses:
        moments = ", ".join(f"{number} {name}" for name, number in sorted(summary.moments.items()))
        counts.append(f"{summary.num_glimpses} glimpses")
        details.append(
            "a glimpse, a few steps from one moment of a scene on and no attempt at its task, has"
            f" {_span(summary.glimpse_lengths)}. Moments: {moments}."
        )
    return (
        f"{' and '.join(counts)} with {summary.num_steps} steps ({hours:.2f} h);"
        f" {' And '.join(details)}"
        f" {summary.num_seeds} different scene seeds,"
        f" {len(summary.instructions)} different instructions.\n\n"
        "Each step has a colour image, the depth image aligned to it (uint16 millimetres, 0 ="
        " no return, exact), the robot's state, and the action that was computed from them.\n"
    )


def _span(lengths: list[int]) -> str:
    return f"{min(lengths)} to {max(lengths)} steps, {np.median(lengths):.0f} in the median"


def _family_table(summary: CardSummary) -> str:
    lines = ["| family | episodes | success | failure | unknown |", "|---|--:|--:|--:|--:|"]
    for family in sorted(summary.families):
        labels = summary.families[family]
        cells = [str(labels[label]) for label in LABELS]
        lines.append(f"| {_cell(family)} | {labels.total()} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _relation_text(summary: CardSummary) -> str:
    found = ", ".join(f"{name} ({number})" for name, number in summary.relations.most_common())
    absent = ", ".join(name for name in RELATIONS if name not in summary.relations)
    return (
        f"Episodes whose instruction speaks of a relation: {found or 'none'}."
        f" Not spoken of: {absent or 'none'}.\n"
    )


def _action_table(summary: CardSummary) -> str:
    spec = summary.spec
    lines = [
        f"One action per step at {spec.rate_hz:g} Hz: motion of the tool centre point in"
        f" `{spec.frame}` within ±{spec.translation_limit_m:g} m and"
        f" ±{spec.rotation_limit_rad:g} rad ({spec.rotation}), in 101 bins each, bin 50 = no"
        f" motion; gripper {spec.gripper_closed_value:g} = closed. Action spec `{spec.id}`.\n",
        "| dimension | unit | mean | std | min | max | bins used | at a limit |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in summary.action_rows():
        numbers = " | ".join(f"{row[name]:.4f}" for name in ("mean", "std", "min", "max"))
        # an open or closed gripper is at a limit by nature
        at_limit = "" if row["name"] == "gripper" else f"{float(row['at_limit']):.1%}"
        lines.append(
            f"| {row['name']} | {row['unit']} | {numbers} | {row['bins_used']} | {at_limit} |"
        )
    return "\n".join(lines) + "\n"


def _recording_table(summary: CardSummary) -> str:
    interval = f"{np.median(summary.intervals_ms):.1f} ms" if summary.intervals_ms else "unknown"
    rows = [
        ("Robot", _counted(summary.robots)),
        ("Camera", _counted(summary.cameras)),
        ("Software version", _counted(summary.versions)),
        ("Actions decided by", _counted(summary.sources)),
        ("Time between the frames of successive steps (median)", interval),
    ]
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines) + "\n"


def _counted(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return _cell(next(iter(counts)))
    return ", ".join(f"{_cell(name)} ({number})" for name, number in counts.most_common())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

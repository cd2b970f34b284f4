"""Pictures of a dataset card."""

import textwrap
from pathlib import Path

import numpy as np

from spatialbot_model.contracts.action_spec import ACTION_NAMES, NUM_BINS
from spatialbot_model.contracts.episode import LABELS
from spatialbot_ros.episodes.card_summary import CardSummary
from spatialbot_ros.episodes.plotting import (
    AXIS_COLORS,
    GREY,
    LABEL_COLORS,
    make_figure,
    save_figure,
    style_axes,
)

_MOST_BARS = 16


def draw_episodes(summary: CardSummary, path: Path) -> None:
    """Episodes per family by label, and their lengths."""
    families = sorted(summary.families)
    height_px = 190 + 34 * max(len(families), 4)
    figure = make_figure(1200, height_px)
    top, bottom = 1 - 55 / height_px, 65 / height_px
    bars, lengths = figure.subplots(1, 2, width_ratios=(3, 2))
    left = np.zeros(len(families))
    for label in LABELS:
        counts = np.array([summary.families[family][label] for family in families])
        bars.barh(families, counts, left=left, color=LABEL_COLORS[label], label=label, height=0.7)
        left += counts
    bars.invert_yaxis()
    bars.xaxis.get_major_locator().set_params(integer=True)
    style_axes(bars, "Episodes by family", "episodes")
    bars.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.02, 0.99))
    num_bins = min(30, max(5, len(set(summary.lengths))))
    lengths.hist(summary.lengths, bins=num_bins, color=AXIS_COLORS[2])
    style_axes(lengths, "Length of episodes", "steps", "episodes")
    lengths.yaxis.get_major_locator().set_params(integer=True)
    figure.subplots_adjust(left=0.19, right=0.98, top=top, bottom=bottom, wspace=0.2)
    save_figure(figure, path)


def draw_actions(summary: CardSummary, path: Path) -> None:
    """How often each bin of each action dimension occurs; bin 50 is no motion."""
    figure = make_figure(1200, 560)
    grid = figure.subplots(2, 4)
    share = summary.bins / max(summary.num_steps, 1) * 100.0
    high = summary.spec.high
    for i, name in enumerate(ACTION_NAMES):
        axes = grid[i // 3, i % 3] if i < 6 else grid[0, 3]
        color = AXIS_COLORS[i % 3] if i < 6 else GREY
        if i < 6:
            unit = "m" if i < 3 else "rad"
            axes.bar(np.linspace(-high[i], high[i], NUM_BINS), share[i], high[i] / 50, color=color)
            style_axes(axes, name, f"per step [{unit}]", "actions [%]" if i % 3 == 0 else "")
            # most steps stand still in most dimensions: the rest would not be seen
            axes.set_yscale("symlog", linthresh=1.0)
            axes.set_ylim(0, 100)
            axes.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        else:
            closed = share[i, NUM_BINS // 2 :].sum()
            axes.bar(["open", "closed"], [share[i].sum() - closed, closed], color=color)
            style_axes(axes, name, "", "")
            axes.set_ylim(0, 100)
    sources = grid[1, 3]
    names = [name for name, _ in summary.sources.most_common(4)]
    shares = [summary.sources[name] / max(summary.num_steps, 1) * 100.0 for name in names]
    sources.bar(names, shares, color=GREY)
    style_axes(sources, "decided by", "", "")
    sources.set_ylim(0, 100)
    sources.set_xlim(-0.8, max(len(names), 2) - 0.2)
    figure.subplots_adjust(left=0.06, right=0.99, top=0.94, bottom=0.1, wspace=0.28, hspace=0.42)
    save_figure(figure, path)


def draw_coverage(summary: CardSummary, path: Path) -> None:
    """Relations that the instructions speak of, and the most frequent instructions."""
    relations = summary.relations.most_common()
    instructions = summary.instructions.most_common(_MOST_BARS)
    height_px = 130 + 30 * max(len(relations), len(instructions), 5)
    figure = make_figure(1200, height_px)
    left, right = figure.subplots(1, 2, width_ratios=(5, 9))
    for axes, pairs, title, color in (
        (left, relations, "Spatial relations in the instructions", AXIS_COLORS[1]),
        (right, instructions, _instructions_title(summary), AXIS_COLORS[0]),
    ):
        names = [textwrap.shorten(name or "(none)", 50) for name, _ in pairs]
        axes.barh(range(len(pairs)), [count for _, count in pairs], color=color, height=0.7)
        axes.set_yticks(range(len(pairs)), names)
        axes.invert_yaxis()
        axes.xaxis.get_major_locator().set_params(integer=True)
        style_axes(axes, title, "episodes")
    if not relations:
        left.text(0.5, 0.5, "none", transform=left.transAxes, ha="center", color=GREY)
    figure.subplots_adjust(
        left=0.08, right=0.98, top=1 - 45 / height_px, bottom=60 / height_px, wspace=1.1
    )
    save_figure(figure, path)


def _instructions_title(summary: CardSummary) -> str:
    total = len(summary.instructions)
    shown = f"the {_MOST_BARS} most frequent of {total}" if total > _MOST_BARS else f"{total}"
    return f"Instructions ({shown})"

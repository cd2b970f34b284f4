"""The scores of SpatialBench as a picture: measured bars with intervals, quoted ones hatched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialbot_model.evaluation.quoted import Quoted

_COLORS = ("#2f6fb3", "#d1495b", "#2e8b57", "#c98a1b", "#6b7480")
_QUOTED_COLOR = "#b9bfc7"
_BARS_WIDTH = 0.8
_SIZE_PX = (200, 480)
_MARGIN_PX = 320


def draw_scores(
    rows: Mapping[str, Mapping[str, Any]], quoted: "Sequence[Quoted]", output: Path
) -> None:
    """Draw strict scores by category.

    Args:
        rows: what `score_spatialbench` answers, by name.
        quoted: figures that are no number, such as ">99", are left out.
    """
    from spatialbot_model.evaluation.spatialbench.records import CATEGORIES
    from spatialbot_model.evaluation.spatialbench.report import TITLES
    from spatialbot_ros.episodes.plotting import make_figure, save_figure, style_axes

    columns = [name for name in CATEGORIES if any(name in scores for scores in rows.values())]
    figure = make_figure(_MARGIN_PX + _SIZE_PX[0] * len(columns), _SIZE_PX[1])
    axes = figure.add_subplot(1, 1, 1)
    style_axes(axes, "SpatialBench", ylabel="strict score [%], 95 % interval")
    num_bars = len(rows) + len(quoted)
    width = _BARS_WIDTH / num_bars

    def place(column: int, bar: int) -> float:
        return column + (bar - (num_bars - 1) / 2) * width

    for bar, (name, scores) in enumerate(rows.items()):
        shown = [
            (place(k, bar), scores[column]["strict"]["score"])
            for k, column in enumerate(columns)
            if column in scores and scores[column]["strict"]["score"] is not None
        ]
        values = [score["percent"] for _, score in shown]
        errors = [
            [max(0.0, score["percent"] - score["low"]) for _, score in shown],
            [max(0.0, score["high"] - score["percent"]) for _, score in shown],
        ]
        axes.bar(
            [x for x, _ in shown],
            values,
            0.92 * width,
            label=name,
            color=_COLORS[bar % len(_COLORS)],
            yerr=errors,
            error_kw={"ecolor": "#22262b", "elinewidth": 1.2, "capsize": 3},
        )
    for bar, row in enumerate(quoted, len(rows)):
        points = [
            (place(k, bar), number)
            for k, column in enumerate(columns)
            if (number := _number(row.figures.get(column, ""))) is not None
        ]
        axes.bar(
            [x for x, _ in points],
            [number for _, number in points],
            0.92 * width,
            label=f"{row.name} (quoted)",
            color=_QUOTED_COLOR,
            hatch="//",
            edgecolor="white",
        )
    axes.set_xticks(range(len(columns)), [TITLES[column] for column in columns])
    axes.set_ylim(0.0, 105.0)
    axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.tight_layout()
    save_figure(figure, output)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

"""The picture of a training: loss, errors per dimension, learning rate, speed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import MissingDependencyError
from spatialbot_model.training.run_log import read_metrics
from spatialbot_ros.episodes.plotting import (
    AXIS_COLORS,
    make_figure,
    save_figure,
    style_axes,
)

CURVES_NAME = "curves.png"

_PANELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Loss", "", ("loss",)),
    ("Mean error of translation", "mm", ("error/dx_mm", "error/dy_mm", "error/dz_mm")),
    ("Mean error of rotation", "°", ("error/droll_deg", "error/dpitch_deg", "error/dyaw_deg")),
    ("Mean error of the gripper", "0 = open, 1 = closed", ("error/gripper",)),
    ("Learning rate", "", ("learning_rate",)),
    ("Speed", "samples/s", ("samples_s",)),
)
_COLUMNS = 3
_PANEL_PX = (520, 360)


def draw_curves(folder: Path) -> Path | None:
    """Draw the log of a training into `CURVES_NAME` in its folder.

    Returns:
        The picture; None without a log, or where matplotlib is not installed.
    """
    lines = read_metrics(folder)
    panels = [
        panel for panel in _PANELS if any(name in line for line in lines for name in panel[2])
    ]
    if not panels:
        return None
    columns, rows = min(_COLUMNS, len(panels)), -(-len(panels) // _COLUMNS)
    try:
        figure = make_figure(_PANEL_PX[0] * columns, _PANEL_PX[1] * rows)
    except MissingDependencyError:
        return None
    for number, (title, unit, names) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        style_axes(axes, title, "step", unit)
        for name, color in zip(names, AXIS_COLORS, strict=False):
            _draw(axes, lines, name, color)
        if title == "Loss":
            axes.set_yscale("log")
        axes.legend(fontsize="small", frameon=False)
    figure.tight_layout()
    save_figure(figure, folder / CURVES_NAME)
    return folder / CURVES_NAME


def _draw(axes: Any, lines: Sequence[dict[str, Any]], name: str, color: str) -> None:
    for split, style, alpha in (("train", "-", 0.4), ("validation", "-", 1.0)):
        points = [
            (line["step"], line[name]) for line in lines if line["split"] == split and name in line
        ]
        if points:
            label = f"{name.rpartition('/')[2]}, {split}"
            axes.plot(*zip(*points, strict=True), style, color=color, alpha=alpha, label=label)

"""Figures drawn without a display: the one place that knows matplotlib, and the house style."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialbot_model.contracts.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100
INK = "#22262b"
GREY = "#6b7480"
GRID = "#e3e6ea"
LABEL_COLORS = {"success": "#1f8a4c", "failure": "#c0392b", "unknown": GREY}
AXIS_COLORS = ("#d1495b", "#2e8b57", "#2f6fb3")
TITLE: dict[str, Any] = {"fontsize": 13, "loc": "left", "color": INK}


def make_figure(width_px: int, height_px: int) -> "Figure":
    """An empty white figure of this size.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            "pictures need matplotlib; install it with `pip install 'spatialbot_ros[viewer]'`"
        ) from error
    figure = Figure(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a PNG; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)


def colormap(name: str, bad: str) -> Any:
    """A colour map by name, with a colour for masked values."""
    from matplotlib import colormaps

    return colormaps[name].with_extremes(bad=bad)


def line_collection(lines: list[Any], **style: Any) -> Any:
    """Many short lines drawn as one."""
    from matplotlib.collections import LineCollection

    return LineCollection(lines, **style)


def style_axes(axes: "Axes", title: str, xlabel: str = "", ylabel: str = "") -> None:
    """Title, labels and grid as all pictures here have them."""
    axes.set_title(title, **TITLE)
    axes.set_xlabel(xlabel, fontsize=11, color=INK)
    axes.set_ylabel(ylabel, fontsize=11, color=INK)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)

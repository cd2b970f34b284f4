"""One picture of an episode: first and last image, depth, the gripper's path."""

import textwrap
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.transforms import invert, transform_points
from spatialbot_ros.episodes.plotting import (
    AXIS_COLORS,
    GREY,
    INK,
    LABEL_COLORS,
    TITLE,
    colormap,
    line_collection,
    make_figure,
    save_figure,
)
from spatialbot_ros.episodes.reader import EpisodeReader, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE_SIZE_PX = (1600, 1330)
_PATH_COLORMAP = "plasma"


def draw_overview(reader: EpisodeReader, path: Path) -> None:
    """Write the picture of an open episode, `PICTURE_SIZE_PX` wide and high.

    Raises:
        RecordingError: it holds no colour image, depth image or camera_info.
        MissingDependencyError: matplotlib is not installed.
    """
    first, last = _ends(reader.color_frames(), reader.folder, "colour")
    _, (depth_ns, depth_mm) = _ends(reader.depth_frames(), reader.folder, "depth")
    route = reader.gripper_path()
    zero_ns = first[0]

    width_px, height_px = PICTURE_SIZE_PX
    figure = make_figure(width_px, height_px)
    _write_title(figure, reader)
    _show_image(_panel(figure, 40, 155, 750, 562), first[1], "First image")
    axes = _panel(figure, 810, 155, 750, 562)
    title = f"Last image, after {(last[0] - zero_ns) / 1e9:.1f} s"
    points_px = _project_path(reader, route, last[1].shape)
    if points_px is None:
        _show_image(axes, last[1], title)
    else:
        _show_image(axes, last[1], f"{title}, with the path of the gripper")
        _draw_path(axes, points_px)
    _show_depth(
        _panel(figure, 40, 765, 660, 495),
        _panel(figure, 712, 765, 18, 495),
        depth_mm,
        f"Aligned depth after {(depth_ns - zero_ns) / 1e9:.1f} s (dark: no return)",
    )
    _plot_position(_panel(figure, 880, 765, 680, 495), route, reader.gripper_width(), zero_ns)
    save_figure(figure, path)


def _panel(figure: "Figure", left_px: int, top_px: int, width_px: int, height_px: int) -> "Axes":
    width, height = PICTURE_SIZE_PX
    bottom_px = height - top_px - height_px
    axes = figure.add_axes(
        (left_px / width, bottom_px / height, width_px / width, height_px / height)
    )
    axes.set_anchor("NW")
    return axes


def _ends(frames: Any, folder: Path, kind: str) -> tuple[tuple[int, Any], tuple[int, Any]]:
    first = next(frames, None)
    if first is None:
        raise RecordingError(f"{folder} holds no {kind} image; nothing can be drawn")
    newest = deque(frames, maxlen=1)
    return first, newest[0] if newest else first


def _write_title(figure: "Figure", reader: EpisodeReader) -> None:
    metadata = reader.metadata
    instruction = textwrap.shorten(metadata.instruction or "no instruction", 90)
    figure.text(0.025, 0.952, f"“{instruction}”", fontsize=21, color=INK, weight="bold")
    label_color = LABEL_COLORS[metadata.label]
    figure.text(
        0.025,
        0.919,
        metadata.label.upper(),
        fontsize=13,
        weight="bold",
        color="white",
        bbox={"boxstyle": "round,pad=0.35", "facecolor": label_color, "edgecolor": "none"},
    )
    facts = [metadata.task]
    facts += [] if metadata.seed is None else [f"seed {metadata.seed}"]
    facts += [] if metadata.duration_s is None else [f"{metadata.duration_s:.1f} s"]
    facts += [textwrap.shorten(metadata.reason, 90)] if metadata.reason else []
    figure.text(0.105, 0.919, "   ·   ".join(facts), fontsize=13, color=GREY)


def _show_image(axes: "Axes", image: NDArray[np.uint8], title: str) -> None:
    axes.imshow(image, interpolation="lanczos")
    axes.set_title(title, **TITLE)
    axes.set_axis_off()


def _show_depth(axes: "Axes", bar_axes: "Axes", depth_mm: NDArray[np.uint16], title: str) -> None:
    depth_m = np.ma.masked_equal(depth_mm, 0) / 1000.0
    valid = depth_m.compressed()
    low, high = np.percentile(valid, [1, 99]) if valid.size else (0.0, 1.0)
    colors = colormap("viridis_r", bad="#20242a")
    shown = axes.imshow(depth_m, cmap=colors, vmin=low, vmax=max(high, low + 0.01))
    axes.set_title(title, **TITLE)
    axes.set_axis_off()
    bar = bar_axes.figure.colorbar(shown, cax=bar_axes)
    bar.set_label("depth [m]", fontsize=12, color=INK)
    bar.ax.tick_params(labelsize=11, colors=INK)
    bar.outline.set_visible(False)


def _project_path(
    reader: EpisodeReader, route: Series, shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """(N, 2) pixels of the path in front of the camera, NaN outside; None without calibration."""
    T_base_camera = reader.T_base_camera()
    if T_base_camera is None or not len(route.values):
        return None
    points_m = transform_points(invert(T_base_camera), route.values)
    points_m[points_m[:, 2] < 0.05] = np.nan
    points_px = reader.intrinsics().project(points_m)
    height, width = shape[:2]
    inside = np.all((points_px >= 0) & (points_px <= [width - 1, height - 1]), axis=1)
    points_px[~inside] = np.nan
    return points_px


def _draw_path(axes: "Axes", points_px: NDArray[np.float64]) -> None:
    segments = np.stack([points_px[:-1], points_px[1:]], axis=1)
    whole = ~np.isnan(segments).any(axis=(1, 2))
    time = np.linspace(0.0, 1.0, len(segments))
    lines = list(segments[whole])
    axes.add_collection(line_collection(lines, colors="white", linewidths=5.0, alpha=0.75))
    line = line_collection(lines, cmap=_PATH_COLORMAP, linewidths=2.6)
    line.set_array(time[whole])
    line.set_clim(0.0, 1.0)
    axes.add_collection(line)
    seen = points_px[~np.isnan(points_px).any(axis=1)]
    if len(seen):
        # to both sides: a run often ends where it began
        for point, marker, name, side in (
            (seen[0], "o", "start", -1),
            (seen[-1], "s", "end", 1),
        ):
            axes.plot(*point, marker, markersize=11, markeredgewidth=2, color="#ffb000", mec=INK)
            axes.annotate(
                name,
                point,
                xytext=(12 * side, -4),
                textcoords="offset points",
                horizontalalignment="left" if side > 0 else "right",
                fontsize=12,
                color=INK,
                bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.85},
            )


def _plot_position(axes: "Axes", route: Series, gripper: Series, zero_ns: int) -> None:
    time_s = (route.stamps_ns - zero_ns) / 1e9
    for i, (name, color) in enumerate(zip(route.names, AXIS_COLORS, strict=True)):
        axes.plot(time_s, route.values[:, i], color=color, linewidth=2.0, label=name)
    if len(gripper.values):
        gripper_s = (gripper.stamps_ns - zero_ns) / 1e9
        axes.fill_between(
            gripper_s,
            0.0,
            1.0,
            where=(gripper.values[:, 1] > 0.5).tolist(),
            transform=axes.get_xaxis_transform(),
            color="#f2c14e",
            alpha=0.25,
            linewidth=0,
            label="gripper asked to close",
        )
    axes.set_title("Gripper position in the base frame", **TITLE)
    axes.set_xlabel("time since the first image [s]", fontsize=12, color=INK)
    axes.set_ylabel("position [m]", fontsize=12, color=INK)
    axes.margins(x=0.0)
    axes.grid(color="#e3e6ea")
    axes.tick_params(labelsize=11, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(
        fontsize=12, frameon=True, framealpha=0.9, edgecolor="none", ncols=4, loc="lower right"
    )
    # room for the legend below the curves
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.12 * (high - low), high)

"""`spatialbot evaluate figure`: success by family of several evaluations, side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatialbot_ros.cli.console import make_console

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EPILOG = (
    "Example: `spatialbot evaluate figure out/eval/mini-rgbd out/eval/mini-rgb --out"
    " out/eval/success.png`"
)

_COLORS = ("#2f6fb3", "#d1495b", "#2e8b57", "#c98a1b", "#6b7480")
_ALL = "all"
_BARS_WIDTH = 0.8
_SIZE_PX = (260, 520)
_MARGIN_PX = 240


def evaluate_figure(
    evaluations: Annotated[list[Path], typer.Argument(help="Folders of evaluations.")],
    output: Annotated[Path, typer.Option("--out", help="PNG to write.")] = Path(
        "out/evaluation/success.png"
    ),
    title: Annotated[str, typer.Option(help="Above the picture.")] = "Success in closed loop",
) -> None:
    """Draw success by family with 95 % intervals, one bar per evaluation.

    A bar is named after its evaluation's folder and says how many scenes it stands for.
    """
    from spatialbot_model.contracts.errors import ConfigurationError
    from spatialbot_model.evaluation.summary import summarise_trials
    from spatialbot_model.evaluation.trials_file import TrialsFolder
    from spatialbot_ros.episodes.plotting import make_figure, save_figure, style_axes

    if len(evaluations) > len(_COLORS):
        raise ConfigurationError(
            f"{len(evaluations)} evaluations are too many for one picture; give at most"
            f" {len(_COLORS)}"
        )
    rates: dict[str, dict[str, Any]] = {}
    for folder in evaluations:
        trials = TrialsFolder.read(folder).trials
        if not trials:
            raise ConfigurationError(f"{folder} holds no finished trial; evaluate first")
        summary = summarise_trials(trials)
        groups = {**summary["families"], _ALL: summary["all"]}
        name = folder.resolve().name
        # folders of the same name are told apart by where they lie
        rates[name if name not in rates else str(folder)] = {
            family: figures["success"] for family, figures in groups.items()
        }
    families = sorted({family for groups in rates.values() for family in groups} - {_ALL})
    families.append(_ALL)
    figure = make_figure(_MARGIN_PX + _SIZE_PX[0] * len(families), _SIZE_PX[1])
    axes = figure.add_subplot(1, 1, 1)
    style_axes(axes, title, ylabel="success [%], Wilson 95 % interval")
    for number, (name, groups) in enumerate(rates.items()):
        _draw(axes, families, groups, name, number, len(rates))
    axes.set_xticks(range(len(families)), [family.replace("_", " ") for family in families])
    axes.set_ylim(0.0, 110.0)
    axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.tight_layout()
    save_figure(figure, output)
    make_console().print(f"{output}", markup=False)


def _draw(
    axes: "Axes",
    families: list[str],
    groups: dict[str, Any],
    name: str,
    number: int,
    num_bars: int,
) -> None:
    """The bars of one evaluation."""
    width = _BARS_WIDTH / num_bars
    shown = [(k, groups[family]) for k, family in enumerate(families) if groups.get(family)]
    x = [k + (number - (num_bars - 1) / 2) * width for k, _ in shown]
    percent = [100.0 * rate["rate"] for _, rate in shown]
    below = [value - 100.0 * rate["low"] for value, (_, rate) in zip(percent, shown, strict=True)]
    above = [100.0 * rate["high"] - value for value, (_, rate) in zip(percent, shown, strict=True)]
    bars = axes.bar(
        x,
        percent,
        0.92 * width,
        label=name,
        color=_COLORS[number],
        # rounding may put an interval's end a hair inside
        yerr=[[max(0.0, v) for v in below], [max(0.0, v) for v in above]],
        error_kw={"ecolor": "#22262b", "elinewidth": 1.2, "capsize": 3},
    )
    counts = [f"{rate['successes']}/{rate['n']}" for _, rate in shown]
    axes.bar_label(bars, counts, padding=2, fontsize=8, color="#22262b")

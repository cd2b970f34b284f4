"""The progress bar of `spatialbot train`."""

import os
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from spatialbot_model.training.loop import Progress as TrainingStep


class TrainingProgress:
    """Loss, errors, speed and waiting, of the main process only; use as a context manager."""

    def __init__(self, console: Console, steps: int) -> None:
        self._console = console
        # set by `accelerate launch`
        self.is_main = os.environ.get("RANK", "0") == "0"
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not (self.is_main and console.is_terminal),
        )
        self._task = self._bar.add_task("training", total=steps)

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def note(self, line: str) -> None:
        """Print a line for the reader."""
        if self.is_main:
            self._bar.console.print(line, markup=False)

    def show(self, progress: "TrainingStep") -> None:
        """Show where the training stands; evaluations are printed and stay."""
        text = describe_metrics(progress.metrics)
        self._bar.update(self._task, completed=progress.step, description=text)
        if progress.split == "validation" or not self._console.is_terminal:
            self.note(f"step {progress.step:6d} {progress.split:10s} {text}")


def describe_metrics(metrics: dict[str, float]) -> str:
    """One line: loss, error per dimension, speed, share of time waiting for data."""
    parts = [f"loss {metrics['loss']:.4f}"]
    for unit, names in (
        ("mm", ("dx_mm", "dy_mm", "dz_mm")),
        ("°", ("droll_deg", "dpitch_deg", "dyaw_deg")),
    ):
        found = [metrics[f"error/{name}"] for name in names if f"error/{name}" in metrics]
        if found:
            parts.append("/".join(f"{value:.2f}" for value in found) + f" {unit}")
    if "error/gripper" in metrics:
        parts.append(f"gripper {metrics['error/gripper']:.3f}")
    if "samples_s" in metrics:
        parts.append(f"{metrics['samples_s']:.1f} samples/s, wait {metrics['data_wait']:.1%}")
    return " · ".join(parts)

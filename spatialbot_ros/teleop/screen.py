"""What the person sees: state of hand, arm and recording, and what every control does. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spatialbot_ros.teleop.core import LEVEL_BINS

_STATE_STYLES = {
    "teleop": "bold green",
    "running": "green",
    "idle": "green",
    "hold": "green",
    "homing": "cyan",
    "stopped": "bold yellow",
    "fault": "bold red",
    "disconnected": "bold red",
}


@dataclass(frozen=True, slots=True)
class ScreenStatus:
    """Everything that is shown.

    Attributes:
        trouble: why the device cannot be used, empty when it can.
        step_m, step_rad: full deflection per control step.
        gripper_closed: None while unknown.
        tool_m: (3,) measured tool centre point, None while unknown.
        bins: the newest action that was sent.
        notice: newest answer of the executor's services.
    """

    device: str
    trouble: str = ""
    engaged: bool = False
    level: int = 0
    step_m: float = 0.0
    step_rad: float = 0.0
    gripper_closed: bool | None = None
    executor_state: str = ""
    executor_detail: str = ""
    tool_m: tuple[float, float, float] | None = None
    bins: tuple[int, ...] = ()
    num_sent: int = 0
    episode: str = ""
    task: str = ""
    instruction: str = ""
    episode_message: str = ""
    episode_counts: Mapping[str, int] = field(default_factory=dict)
    notice: str = ""


def render(status: ScreenStatus, help_rows: Sequence[tuple[str, str]]) -> RenderableType:
    """The screen; fits a terminal of 80x24 unless the robot has much to say."""
    return Group(
        Panel(_arm(status), title="SpatialBot teleoperation", title_align="left"),
        Panel(_episode(status), title="recording", title_align="left"),
        Padding(_help(help_rows), (0, 2)),
    )


def _arm(status: ScreenStatus) -> Table:
    table = _rows()
    if status.trouble:
        table.add_row("device", Text(status.trouble, "bold red"))
    else:
        held = ("  HAND ON  ", "bold black on green") if status.engaged else ("hand off", "dim")
        table.add_row("device", Text.assemble(status.device, "  ", held))
    gauge = "■" * (status.level + 1) + "□" * (len(LEVEL_BINS) - status.level - 1)
    step = f"{gauge}  {status.step_m * 1e3:.1f} mm, {status.step_rad * 57.29578:.1f}° per step"
    table.add_row("speed", step)
    gripper = {None: "unknown", True: "closed", False: "open"}[status.gripper_closed]
    table.add_row("gripper", gripper)
    if status.executor_state:
        style = _STATE_STYLES.get(status.executor_state, "")
        state = Text.assemble((status.executor_state, style), "  ", status.executor_detail)
    else:
        state = Text("no executor: is it running, in this ROS domain?", "bold red")
    state.truncate(140, overflow="ellipsis")
    table.add_row("robot", state)
    if status.tool_m is not None:
        table.add_row("tool", "x {:+.3f}  y {:+.3f}  z {:+.3f} m".format(*status.tool_m))
    sent = ", ".join(f"{k / 100:.2f}" for k in status.bins) or "-"
    table.add_row("action", f"<{sent}>  #{status.num_sent}" if status.bins else "none yet")
    table.add_row("answer", Text(status.notice or "-", "yellow" if status.notice else "dim"))
    return table


def _episode(status: ScreenStatus) -> Table:
    table = _rows()
    recording = status.episode == "RECORDING"
    counts = ", ".join(f"{number} {name}" for name, number in status.episode_counts.items())
    phase = Text.assemble(
        (f"● {status.episode}" if recording else status.episode, "bold red" if recording else ""),
        f"   {counts}" if counts else "",
    )
    table.add_row("episode", phase)
    what = f"{status.task or '-'}: {status.instruction or '-'}"
    table.add_row("task", Text(what, overflow="ellipsis", no_wrap=True))
    table.add_row("answer", Text(status.episode_message or "-", "dim", overflow="fold"))
    return table


def _rows() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", min_width=7)
    table.add_column()
    return table


def _help(rows: Sequence[tuple[str, str]]) -> Table:
    half = (len(rows) + 1) // 2
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(style="bold cyan", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
    for left, right in zip_longest(rows[:half], rows[half:], fillvalue=("", "")):
        # as text: brackets would be markup
        table.add_row(*(Text(cell) for cell in (*left, *right)))
    return table

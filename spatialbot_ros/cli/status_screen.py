"""What `spatialbot status` shows: nodes, arm, policy and the last safety events."""

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from spatialbot_ros.suite_status import (
    ArmStatus,
    EventStatus,
    Level,
    PartStatus,
    PolicyStatus,
    SuiteReport,
)

_STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.ERROR: "bold red", Level.STALE: "red"}
_SEVERITIES = {"note": "dim", "clamped": "yellow", "refused": "bold yellow", "fault": "bold red"}
_ARM_STYLES = {"running": "green", "idle": "green", "homing": "green", "teleop": "cyan"}
_FIGURES = {
    "camera: frames": ("rate [Hz]", "lost frames", "longest processing [ms]", "greatest age [ms]"),
    "camera: faults": ("framesets withheld", "faults"),
    "depth_service: images": ("answers", "refused questions", "ignored images"),
    "recorder: episode": ("messages", "written [MB]", "lost messages"),
    "simulation: lab": ("speed", "time [s]", "scene"),
}
_DULL = ("robot", "address", "policy")
_MAX_FIGURES = 6


def render(report: SuiteReport) -> RenderableType:
    """The whole screen; as wide as the console it is printed on."""
    blocks: list[RenderableType] = [_nodes(report)]
    if report.arm is not None:
        blocks.append(_arm(report.arm))
    if report.policy is not None:
        blocks.append(_policy(report.policy))
    if report.events:
        blocks.append(_events(report.events))
    return Group(*blocks)


def _nodes(report: SuiteReport) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style="dim")
    table.add_column("node", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("says", ratio=3)
    table.add_column("figures", ratio=4)
    for part in report.parts:
        style = _STYLES[part.level]
        table.add_row(
            Text(part.name),
            Text(part.level.name.lower(), style=style),
            Text(part.message, style="" if part.level is Level.OK else style),
            _figures(part),
        )
    for name in report.missing:
        table.add_row(
            Text(name, style="dim"), Text("-", style="dim"), Text("not heard", "dim"), Text()
        )
    style = _STYLES[report.level] if report.parts else "red"
    return Panel(table, title="SpatialBot", title_align="left", border_style=style)


def _figures(part: PartStatus) -> RenderableType:
    wanted = _FIGURES.get(part.name)
    names = [
        name
        for name in (wanted or part.values)
        if name in part.values and (wanted or name not in _DULL)
    ]
    if part.name == "camera: faults":
        names += [name for name in part.values if name.startswith("camera_")]
    pairs = [
        Text.assemble((f"{name} ", "dim"), part.values[name], no_wrap=True)
        for name in names[: None if wanted else _MAX_FIGURES]
    ]
    # a name stays on one line with its value
    return Columns(pairs, padding=(0, 2))


def _arm(arm: ArmStatus) -> RenderableType:
    x_m, y_m, z_m = arm.position_m
    state = Text(arm.state, style=_ARM_STYLES.get(arm.state, "bold yellow"))
    state.append(f"  {arm.detail}", "default")
    table = _pairs()
    table.add_row("state", state)
    table.add_row(Text("tool [m]"), Text(f"x {x_m:+.3f}  y {y_m:+.3f}  z {z_m:+.3f}"))
    table.add_row(
        "figures",
        f"{arm.tracking_error_m * 1e3:.1f} mm from the target, {arm.rate_hz:.0f} states/s,"
        f" {arm.num_faults} faults, {arm.num_safety_events} safety events",
    )
    if arm.robot_errors:
        table.add_row("errors", Text(", ".join(arm.robot_errors), style="bold red"))
    return Panel(table, title="arm", title_align="left")


def _policy(policy: PolicyStatus) -> RenderableType:
    step = policy.step
    table = _pairs()
    table.add_row("instruction", Text(step.instruction))
    table.add_row("answer", Text(step.text or "none"))
    table.add_row("stage", Text(step.stage))
    table.add_row(
        "figures",
        f"{policy.rate_hz:.1f} answers/s, {policy.acted_share:.0%} executed,"
        f" newest {policy.age_s:.1f} s ago",
    )
    stages = "  ".join(f"{name} {ms:.0f}" for name, ms in policy.latencies_ms.items())
    table.add_row(Text("median [ms]"), Text(stages))
    return Panel(table, title=Text(f"policy {step.policy}"), title_align="left")


def _events(events: tuple[EventStatus, ...]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for event in events:
        table.add_row(
            Text(f"{event.age_s:.0f} s ago", style="dim"),
            Text(event.severity, style=_SEVERITIES.get(event.severity, "bold red")),
            Text(f"{event.source}: {event.name}"),
            Text(event.detail, style="dim"),
        )
    return Panel(table, title="safety events", title_align="left")


def _pairs() -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table

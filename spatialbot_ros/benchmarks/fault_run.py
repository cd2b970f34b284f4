"""One executor on one simulated robot under hostile actions, and the account of each action."""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from spatialbot_ros.benchmarks.arm_rig import ArmRig, logged_robot
from spatialbot_ros.benchmarks.hostile_actions import hostile_actions
from spatialbot_ros.executor_types import State
from spatialbot_ros.limit_checker import LimitReport, check_limits
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.safety_records import Severity
from spatialbot_sim.tick_log import read_tick_log

_ROWS_A_TIME = 60_000
_OVERLAP = 3
_ACTIONS_PER_STOP = 150
_ACTIONS_PER_HOME = 400


@dataclass(slots=True)
class FaultAccount:
    """What became of the actions.

    Attributes:
        sent, refused: actions.
        broken_sent, broken_followed: those that had to be refused, and of them not refused.
        unanswered: sent, but never acknowledged.
        events: interventions by name.
        robot_s, wall_s: simulated time, and how long it took.
        stops, moved_while_stopped: stops, and actions that were followed while stopped.
        lost_connections, faults: of the robot.
        limits: what the limit checker found in the 1 kHz log.
    """

    sent: int = 0
    refused: int = 0
    broken_sent: int = 0
    broken_followed: int = 0
    unanswered: int = 0
    events: Counter[str] = field(default_factory=Counter)
    robot_s: float = 0.0
    wall_s: float = 0.0
    stops: int = 0
    moved_while_stopped: int = 0
    lost_connections: int = 0
    faults: int = 0
    limits: LimitReport = field(default_factory=lambda: LimitReport(0, 0, {}, {}))

    def to_mapping(self) -> dict[str, Any]:
        """For JSON."""
        values = {name.name: getattr(self, name.name) for name in fields(self)}
        limits = {name.name: getattr(self.limits, name.name) for name in fields(self.limits)}
        return values | {"limits": limits}

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "FaultAccount":
        """What `to_mapping` gave, read back."""
        events, limits = Counter(data["events"]), LimitReport(**data["limits"])
        return cls(**{**data, "events": events, "limits": limits})


def run_faults(address: str, num_actions: int, seed: int, folder: Path) -> FaultAccount:
    """Drive one robot; see `FaultAccount`.

    What broke a limit is kept in `folder`: `seed*.ticks`, the log, and `seed*.json`, what the
    executor said and when. It depends on the moment, so that another run may not show it.
    """
    account = FaultAccount()
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "ticks.bin"
        with ArmRig(address, logged_robot(address, path)) as rig:
            _drive(rig, account, num_actions, seed)
            workspace = (rig.cell.workspace_min_m, rig.cell.workspace_max_m)
        account.limits = judge_log(path, *workspace)
        if account.limits.num_violations:
            shutil.copyfile(path, folder / f"seed{seed}.ticks")
            _write_records(folder / f"seed{seed}.json", rig)
    account.wall_s = round(time.monotonic() - begun_s, 1)
    return account


def _write_records(path: Path, rig: ArmRig) -> None:
    told = [
        {"robot_time_s": time_s, **asdict(record)}
        for time_s, record in zip(rig.record_times_s, rig.records, strict=True)
    ]
    path.write_text(json.dumps(told, default=str), encoding="utf-8")


def judge_log(path: Path, workspace_min_m: object, workspace_max_m: object) -> LimitReport:
    """Judge a log of any length."""
    report: LimitReport | None = None
    first = 0
    while True:
        log = read_tick_log(path, first, _ROWS_A_TIME)
        if report is not None and len(log) <= _OVERLAP:
            return report
        found = check_limits(log, workspace_min_m, workspace_max_m)  # type: ignore[arg-type]
        report = found if report is None else report.merged(found)
        if len(log) < _ROWS_A_TIME:
            return report
        first += _ROWS_A_TIME - _OVERLAP


def _drive(rig: ArmRig, account: FaultAccount, num_actions: int, seed: int) -> None:
    broken: set[int] = set()
    num_sent = 0
    for move in hostile_actions(num_actions, seed, rig.spec):
        num_sent = move.request.sequence
        if move.broken:
            broken.add(num_sent)
        rig.owner.submit(move.stamped(rig.now_ns()))
        if move.wait_s:
            rig.pass_time(move.wait_s)
        if num_sent % _ACTIONS_PER_STOP == 0:
            _stop_and_go_on(rig, account)
        if num_sent % _ACTIONS_PER_HOME == 0:
            rig.owner.ask(Wish.HOME, 120.0)
        if rig.executor.state is State.FAULT:
            account.faults += 1
            rig.owner.ask(Wish.RECOVER, 10.0)
            rig.owner.ask(Wish.RESUME, 10.0)
    rig.pass_time(0.5)
    account.sent = num_sent
    account.unanswered = num_sent - rig.executor.last_sequence
    refused = {r.sequence for r in rig.records if r.severity is Severity.REFUSED}
    account.refused = len(refused)
    account.broken_sent = len(broken)
    account.broken_followed = len(broken - refused)
    account.events = Counter(record.name for record in rig.records)
    account.robot_s = rig.time_s
    account.lost_connections = len(rig.losses)


def _stop_and_go_on(rig: ArmRig, account: FaultAccount) -> None:
    """A stop in full motion; while it is latched nothing may be followed."""
    rig.owner.ask(Wish.STOP, 10.0)
    account.stops += 1
    rig.pass_time(0.25)
    account.moved_while_stopped += rig.executor.state is not State.STOPPED
    rig.owner.ask(Wish.RESUME, 10.0)

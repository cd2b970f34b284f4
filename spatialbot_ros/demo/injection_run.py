"""One fault injected into a running scene, followed to the end, and accounted for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spatialbot_ros.demo.faulty_answers import POLICY_FAULTS
from spatialbot_ros.demo.faulty_arm import (
    CLOCK_PAUSED,
    CONNECTION_LOST,
    REFLEX,
    SILENCE,
    USER_STOP,
)
from spatialbot_ros.demo.injection_lab import InjectionLab
from spatialbot_ros.demo.injection_plan import (
    CAMERA,
    EXECUTOR_STALLED,
    POLICY,
    PlannedFault,
)
from spatialbot_ros.executor_types import State
from spatialbot_ros.fault_trace import SETTLE_S, FaultTrace
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_sim.camera_faults import RECALIBRATED, InjectedFault

STEP_S = 0.02
LATCHING = (REFLEX, USER_STOP, CONNECTION_LOST, SILENCE)
"""After these nothing moves until a person has resumed."""

_TOLD_AS = {
    REFLEX: ("fault",),
    USER_STOP: ("fault",),
    CONNECTION_LOST: ("disconnected",),
    SILENCE: ("disconnected",),
    EXECUTOR_STALLED: ("heartbeat",),
    **POLICY_FAULTS,
}
_STILL_M = 0.0005
_LATCHED_S = 0.3
_GIVE_UP_S = 8.0
_MS = 1e3


@dataclass(slots=True)
class FaultAccount:
    """What became of one fault; times are robot time.

    Attributes:
        told_as: the first event that names it; empty when none did.
        detection_ms: from the first effect to that event.
        rest_ms: from the first effect to the arm's last motion.
        coasted_mm: farthest from where the arm was at the first effect, until it rested.
        watched_ms: how long it was watched at rest, until the fault was over or somebody resumed.
        moved_mm: its greatest way in that time.
        reconnected_ms: from the robot's answering again to the executor's having it.
        recovery_ms: ours: from the resume, or from the first good image or answer, to the next
            motion that is followed; None where the instruction ends by the fault.
        recovered: all of that came about.
        resumed_too_early: a resume was granted while the fault lasted.
    """

    number: int
    kind: str
    name: str
    duration_s: float
    told_as: str = ""
    detection_ms: float | None = None
    rest_ms: float = 0.0
    coasted_mm: float = 0.0
    watched_ms: float = 0.0
    moved_mm: float = 0.0
    reconnected_ms: float | None = None
    recovery_ms: float | None = None
    recovered: bool = False
    resumed_too_early: bool = False


def inject(lab: InjectionLab, fault: PlannedFault) -> FaultAccount:
    """Inject a fault while the arm moves; returns when all is as before, or given up."""
    account = FaultAccount(fault.number, fault.kind, fault.name, fault.duration_s)
    lab.listen()
    if fault.kind == CAMERA:
        _camera(lab, fault, account)
    elif fault.kind == POLICY:
        _policy(lab, fault, account)
    elif fault.name in LATCHING:
        _latching(lab, fault, account)
    else:
        _pausing(lab, fault, account)
    return account


def _latching(lab: InjectionLab, fault: PlannedFault, account: FaultAccount) -> None:
    onset_s = lab.time_s
    lab.arm.begin(fault.name)
    _advance(lab, lambda: lab.time_s >= onset_s + fault.duration_s)
    # a person may try too early
    account.resumed_too_early = lab.ask(Wish.RESUME) and lab.state is not State.DISCONNECTED
    lab.arm.end()
    end_s = lab.time_s
    if fault.name in (REFLEX, USER_STOP):
        lab.ask(Wish.RECOVER)
    if _advance(lab, lambda: lab.state is State.STOPPED):
        account.reconnected_ms = _MS * (lab.time_s - end_s)
    stopped_s = lab.time_s
    _advance(lab, lambda: lab.time_s >= stopped_s + _LATCHED_S)
    resumed_s = lab.time_s
    _judge_motion(lab, account, onset_s, resumed_s, settle_s=SETTLE_S)
    granted = lab.go_on()
    _finish(lab, account, resumed_s, granted)
    _note_told(lab, account, onset_s)


def _pausing(lab: InjectionLab, fault: PlannedFault, account: FaultAccount) -> None:
    """The arm or its executor stands still and goes on by itself."""
    onset_s = lab.time_s
    end_s = onset_s + fault.duration_s
    if fault.name == CLOCK_PAUSED:
        lab.arm.begin(fault.name)
    else:
        lab.stall(fault.duration_s)
    _advance(lab, lambda: lab.time_s >= end_s)
    end_s = lab.time_s
    _judge_motion(lab, account, onset_s, end_s, settle_s=SETTLE_S)
    if fault.name == CLOCK_PAUSED:
        lab.arm.end()
    _finish(lab, account, end_s, True)
    _note_told(lab, account, onset_s)


def _camera(lab: InjectionLab, fault: PlannedFault, account: FaultAccount) -> None:
    trace = lab.inject(InjectedFault(fault.name, fault.duration_s))
    _advance(lab, lambda: trace.is_over)
    if trace.onset_s is None or trace.end_s is None or trace.good_s is None:
        return
    _camera_told(trace, account)
    _judge_motion(lab, account, trace.onset_s, trace.end_s, settle_s=SETTLE_S)
    if fault.name == RECALIBRATED:
        # the instruction ends, for what is known about the camera's pose may be wrong
        account.recovered = _advance(lab, lambda: bool(lab.ending))
        return
    _finish(lab, account, trace.end_s, True)


def _camera_told(trace: FaultTrace, account: FaultAccount) -> None:
    if trace.told_s is not None and trace.onset_s is not None:
        account.told_as = trace.told_name
        account.detection_ms = _MS * (trace.told_s - trace.onset_s)


def _policy(lab: InjectionLab, fault: PlannedFault, account: FaultAccount) -> None:
    onset_s = lab.time_s
    lab.answers.begin(fault.name, onset_s + fault.duration_s)
    lab.heard.good_answers.clear()
    _advance(lab, lambda: bool(lab.heard.good_answers) or bool(lab.ending))
    end_s = lab.heard.good_answers[0] if lab.heard.good_answers else lab.time_s
    _note_told(lab, account, onset_s)
    told_s = onset_s + (account.detection_ms or 0.0) / _MS
    # what swings is taken for a while before it is an oscillation
    settle_s = SETTLE_S + (told_s - onset_s if fault.name not in ("silent", "slow") else 0.0)
    _judge_motion(lab, account, onset_s, end_s, settle_s)
    _finish(lab, account, end_s, True)


def _finish(lab: InjectionLab, account: FaultAccount, from_s: float, granted: bool) -> None:
    """Until the executor follows again."""

    def followed() -> bool:
        return bool(lab.ending) or any(at_s >= from_s for at_s in lab.heard.followed)

    gone_on = _advance(lab, followed)
    at_s = next((at_s for at_s in lab.heard.followed if at_s >= from_s), None)
    account.recovery_ms = None if at_s is None else _MS * (at_s - from_s)
    account.recovered = granted and gone_on


def _note_told(lab: InjectionLab, account: FaultAccount, onset_s: float) -> None:
    for at_s, name in lab.heard.events:
        if at_s >= onset_s and name in _TOLD_AS.get(account.name, ()):
            account.told_as, account.detection_ms = name, _MS * (at_s - onset_s)
            return


def _judge_motion(
    lab: InjectionLab, account: FaultAccount, onset_s: float, end_s: float, settle_s: float
) -> None:
    poses = [(t, p) for t, p in lab.heard.poses if onset_s <= t <= end_s]
    if not poses:
        return
    places_m = np.array([p for _, p in poses])
    times_s = np.array([t for t, _ in poses])
    away = np.linalg.norm(places_m - places_m[-1], axis=1) > _STILL_M
    account.rest_ms = _MS * float(times_s[away].max(initial=onset_s) - onset_s)
    first_m = places_m[0]
    account.coasted_mm = _MS * float(np.linalg.norm(places_m - first_m, axis=1).max())
    after = places_m[times_s >= onset_s + settle_s]
    if len(after):
        account.watched_ms = _MS * (end_s - onset_s - settle_s)
        account.moved_mm = _MS * float(np.linalg.norm(after - after[0], axis=1).max())


def _advance(lab: InjectionLab, is_done: Callable[[], bool]) -> bool:
    """Let time pass until it is done; False when that takes too long."""
    ends_s = lab.time_s + _GIVE_UP_S
    while not is_done():
        if lab.time_s > ends_s:
            return False
        lab.advance(STEP_S)
    return True

"""Interventions of the executor itself, in words."""

import numpy as np

from spatialbot_ros.executor_types import State
from spatialbot_ros.ports import ArmState
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord, Severity


def not_ready(request: ActionRequest, state: State, detail: str) -> SafetyRecord:
    """An action came in a state that follows none."""
    return SafetyRecord(
        "not_ready",
        Severity.REFUSED,
        f"actions are not followed in state {state.value!r}: {detail}",
        source=request.source,
        sequence=request.sequence,
    )


def late_cycle(pause_s: float, allowed_s: float) -> SafetyRecord:
    """The executor itself was not running for a while."""
    return SafetyRecord(
        "heartbeat",
        Severity.CLAMPED,
        f"no control cycle for {pause_s:.2f} s of robot time; the arm holds. Is this machine"
        " overloaded?",
        asked=(pause_s,),
        given=(allowed_s,),
    )


def blocked(joints: tuple[int, ...], measured: ArmState) -> SafetyRecord:
    """Joints, counted from 1, do not do what they are told."""
    which = np.array(joints) - 1
    commanded = measured.dq_commanded_rad_s
    asked = () if commanded is None else tuple(map(float, commanded[which]))
    names = " and ".join(str(joint) for joint in joints)
    return SafetyRecord(
        "joint_blocked",
        Severity.CLAMPED,
        f"joint {names} does not follow its command; the arm holds. Has it met something?",
        asked=asked,
        given=tuple(map(float, measured.dq_rad_s[which])),
        source="robot",
    )


def slower(
    request: ActionRequest,
    limits: SafetyLimits,
    period_s: float,
    needed_s: float,
    way_m: float,
    way_rad: float,
) -> SafetyRecord:
    """The way to the target takes longer than a control period; lengths in m and rad."""
    return SafetyRecord(
        "speed",
        Severity.CLAMPED,
        f"the way to the target takes {needed_s:.3f} s at the speed limits of"
        f" {limits.max_speed_m_s} m/s and {limits.max_speed_rad_s} rad/s; actions come"
        " faster than their rate or the arm lags behind",
        asked=(way_m / period_s, way_rad / period_s),
        given=(way_m / needed_s, way_rad / needed_s),
        source=request.source,
        sequence=request.sequence,
    )


def gripper_failed(reason: str) -> SafetyRecord:
    """A command of the gripper did not do what it should: no reason to stop the arm."""
    return SafetyRecord(
        "gripper_failed",
        Severity.NOTE,
        f"{reason}; the opening of the fingers shows what is held",
        source="gripper",
    )

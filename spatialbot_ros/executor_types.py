"""Values that the executor's state machine takes and gives."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_ros.ports import ArmMode, ArmState, Pace
from spatialbot_ros.safety_records import SafetyRecord


class State(Enum):
    """Values of ``ExecutorState.state``."""

    IDLE = "idle"
    RUNNING = "running"
    HOLD = "hold"
    TELEOP = "teleop"
    STOPPED = "stopped"
    FAULT = "fault"
    RECOVERING = "recovering"
    HOMING = "homing"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class ExecutorConfig:
    """Control behaviour; times are robot time.

    Attributes:
        action_rate_hz: rate at which actions are expected.
        command_period_s: how often the twist is renewed.
        gap_periods: control periods without an action after which the arm holds.
        settle_periods: how much longer it may still work off what is left of the last action.
        settled_m, settled_rad: what may be left.
        feedback_gain_1_s: speed per error of the feedback.
        response_lag_s: how late the arm answers a velocity command.
        teleop_hold_off_s: how long after a person's last action the policy is still refused.
        heartbeat_s: longest pause between two cycles; after a longer one the arm holds.
        stretch: the reference takes this many control periods to the target, so that an
            action that comes a little late finds it still moving.

    Raises:
        ConfigurationError: a value cannot be used.
    """

    action_rate_hz: float = 10.0
    command_period_s: float = 0.02
    gap_periods: float = 3.0
    settle_periods: float = 3.0
    settled_m: float = 0.0007
    settled_rad: float = 0.004
    feedback_gain_1_s: float = 8.0
    response_lag_s: float = 0.065
    teleop_hold_off_s: float = 1.0
    heartbeat_s: float = 0.5
    stretch: float = 1.1

    def __post_init__(self) -> None:
        if not 0.0 < self.command_period_s <= 1.0 / self.action_rate_hz:
            raise ConfigurationError(
                f"command period is {self.command_period_s} s; expected more than 0 and at most"
                f" one control period ({1.0 / self.action_rate_hz} s)"
            )
        if self.gap_periods < 1.0:
            raise ConfigurationError(
                f"gap_periods is {self.gap_periods}; expected at least 1 control period"
            )
        if not self.heartbeat_s >= 4.0 * self.command_period_s:
            raise ConfigurationError(
                f"heartbeat_s is {self.heartbeat_s} s; expected at least four command periods"
                f" ({4.0 * self.command_period_s} s)"
            )
        if not self.teleop_hold_off_s >= 2.0 * self.action_period_s:
            raise ConfigurationError(
                f"teleop_hold_off_s is {self.teleop_hold_off_s} s; expected at least two control"
                f" periods ({2.0 * self.action_period_s} s), or the policy would act between a"
                " person's actions"
            )

    @property
    def action_period_s(self) -> float:
        """One control period."""
        return 1.0 / self.action_rate_hz

    @property
    def hold_s(self) -> float:
        """How long one twist is held before its zero tail: a late renewal or two are bridged."""
        return 2.5 * self.command_period_s


@dataclass(frozen=True, slots=True)
class ArmCommand:
    """What to do with the arm now.

    Attributes:
        dq_rad_s: (7,) joint speeds to stream for `hold_s`, None to stream nothing.
        twist_base: (6,) twist of the tool that they make.
        stop: bring the arm to rest.
        pace: how quickly the speeds may change, or how quickly the arm comes to rest.
        gripper_closed: new wish for the gripper, None when it did not change.
        records: interventions since the last step that no action caused.
    """

    dq_rad_s: NDArray[np.float64] | None = None
    twist_base: NDArray[np.float64] | None = None
    hold_s: float = 0.0
    stop: bool = False
    pace: Pace | None = None
    gripper_closed: bool | None = None
    records: tuple[SafetyRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answer to a request of a person."""

    success: bool
    message: str


FAULT_MODES = (ArmMode.REFLEX, ArmMode.USER_STOPPED)
"""Modes in which the robot has stopped itself."""


def describe_fault(measured: ArmState) -> str:
    """What the robot says about its fault, in words."""
    if measured.mode is ArmMode.USER_STOPPED:
        return "user stop: the enabling device or the emergency stop is engaged"
    errors = ", ".join(measured.errors) or "no error named"
    return f"robot mode {measured.mode.value} ({errors})"

"""The executor's state machine: actions in, joint speeds out. No rclpy, no device, no thread.

Its owner feeds it measured states (`step`), actions (`apply`) and people's wishes (`stop`,
`resume`, ...), and does what the returned `ArmCommand` says. All timing is on the robot's
own clock, so a loaded machine makes a run longer, not different.

Actions of a person (source ``teleop``) override all others: while they come and for a hold-off
time after the last, the state is TELEOP and other actions are refused, without disturbing the
arm. Afterwards the target starts again from the measured pose.

Two latches stand above the motion states and only people release them: stop (released by
`resume`) and fault (released by `recovered`, which leaves the stop latch set).
"""

import numpy as np
from numpy.typing import NDArray

from spatialbot_ros.executor_records import blocked, late_cycle, not_ready, slower
from spatialbot_ros.executor_types import (
    FAULT_MODES,
    ArmCommand,
    ExecutorConfig,
    Outcome,
    State,
    describe_fault,
)
from spatialbot_ros.following import FollowingWatch
from spatialbot_ros.gripper_wish import GripperWish
from spatialbot_ros.intervention import Intervention
from spatialbot_ros.ports import ArmState, Pace
from spatialbot_ros.reference import TargetReference, pose_error
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_records import TELEOP, ActionRequest, SafetyRecord, Severity

_INTERRUPTION_S = 0.5


class Executor:
    """State machine and integrated target of one arm."""

    def __init__(self, config: ExecutorConfig, envelope: SafetyEnvelope) -> None:
        self._config = config
        self._envelope = envelope
        self._reference = TargetReference(config.response_lag_s)
        self._intervention = Intervention(config.teleop_hold_off_s)
        self._motion = State.DISCONNECTED
        self._stopped = False
        self._faulted = False
        self._recovering = False
        self._resync = True
        self._stop_pending = False
        self._connected_before = False
        self._measured: ArmState | None = None
        self._last_step_s = 0.0
        self._last_action_s = 0.0
        self._following = FollowingWatch()
        self._gripper = GripperWish()
        self._records: list[SafetyRecord] = []
        self.detail = "not connected yet"
        self.last_sequence = 0
        self._interrupted_s: float | None = None
        self.num_faults = self.num_safety_events = 0

    @property
    def state(self) -> State:
        """The state that people see; latches hide the motion state beneath."""
        if self._motion is State.DISCONNECTED:
            return State.DISCONNECTED
        if self._faulted:
            return State.RECOVERING if self._recovering else State.FAULT
        if self._stopped:
            return State.STOPPED
        return State.TELEOP if self._intervention.active else self._motion

    @property
    def measured(self) -> ArmState | None:
        """Newest measured state, None before the first."""
        return self._measured

    @property
    def T_base_target(self) -> NDArray[np.float64]:
        """(4, 4) integrated target; the measured pose while nothing is followed."""
        if self._resync and self._measured is not None:
            return self._measured.T_base_ee
        return self._reference.T_base_target

    @property
    def gripper_closed(self) -> bool:
        """What the gripper was last asked to do."""
        return self._gripper.closed

    def stop_pace(self) -> Pace | None:
        """The quickest way to rest; None before the first measured state."""
        return None if self._measured is None else self._envelope.stop_pace(self._measured)

    def connected(self, measured: ArmState) -> None:
        """The arm answers. After a lost connection it stays stopped until `resume`."""
        self._measured = measured
        self._motion = State.IDLE
        self._resync = True
        self._gripper.forget()
        self._last_step_s = measured.robot_time_s
        if self._connected_before:
            self._stopped = True
            self.detail = "connected again after a lost connection; call resume to go on"
        else:
            self.detail = "connected"
        self._connected_before = True
        self._watch_mode(measured)

    def disconnected(self, reason: str) -> None:
        """The arm does not answer; nothing moves until `connected`."""
        self._end_intervention("the robot does not answer")
        self._motion = State.DISCONNECTED
        self._recovering = False
        self._resync = True
        self.detail = reason

    def apply(self, request: ActionRequest, now_ns: int) -> tuple[SafetyRecord, ...]:
        """Judge and integrate one action; `now_ns` is ROS time.

        Its sequence number counts as handled whatever the outcome, unless it leaps. A refused
        action brings the arm to rest and drops what was left of earlier ones, except that one
        which a person overrides changes nothing.
        """
        if request.source != TELEOP and not self._envelope.leaps(request):
            # a policy waits for this number and must not find a person's instead
            self.last_sequence = request.sequence
        measured = self._measured
        if measured is None or self.state not in _FOLLOWING:
            self._envelope.note_sequence(request)
            record = not_ready(request, self.state, self.detail)
            self.num_safety_events += 1
            return (record,)
        if request.source == TELEOP:
            begun = self._intervention.prolong(measured.robot_time_s, request.sequence)
            return begun + self._follow(request, measured, now_ns)
        if self._intervention.active:
            self._envelope.note_sequence(request)
            self.num_safety_events += 1
            return (self._intervention.refusal(request),)
        return self._follow(request, measured, now_ns)

    def _follow(
        self, request: ActionRequest, measured: ArmState, now_ns: int
    ) -> tuple[SafetyRecord, ...]:
        T_target = self.T_base_target
        if self._resync:
            T_target = self._envelope.resync(measured.T_base_ee)
        verdict = self._envelope.check(
            request, now_ns, T_target, measured.T_base_ee, measured.q_rad
        )
        self.num_safety_events += len(verdict.records)
        if verdict.T_base_target is None:
            refusal = verdict.records[-1]
            self._hold(f"action {request.sequence} refused ({refusal.name}): {refusal.detail}")
            self._resync = True
            return verdict.records

        if self._resync:
            self._reference.reset(T_target)
            self._resync = False
        records = verdict.records + self._go(verdict.T_base_target, request)
        self._gripper.follow(request.gripper_closed)
        self._last_action_s = measured.robot_time_s
        self._motion = State.RUNNING
        detail = "follows actions"
        if records:
            detail = f"action {request.sequence}: " + ", ".join(
                f"{r.name} ({r.severity.name.lower()})" for r in records
            )
        self.detail = self._mark(detail)
        return records

    def step(self, measured: ArmState) -> ArmCommand:
        """Advance on a new measured state; call once per command period of robot time."""
        dt_s = measured.robot_time_s - self._last_step_s
        self._last_step_s = measured.robot_time_s
        self._measured = measured
        self._watch_mode(measured)
        if dt_s > self._config.heartbeat_s and self._motion is State.RUNNING:
            # by now the arm has come to rest by itself: the tail of its last twist is zero
            self._hold_for(late_cycle(dt_s, self._config.heartbeat_s))
        if self._motion is State.RUNNING:
            idle_s = measured.robot_time_s - self._last_action_s
            if self._gap_ends(idle_s, measured):
                self._hold(f"no action for {idle_s:.2f} s of robot time")
        if self._intervention.is_over(measured.robot_time_s):
            self._end_intervention("the person has let go")
            self._resync = True
            self._hold("the intervention has ended")

        self._watch_following(measured)
        wish = self._gripper.take()
        if self._motion is not State.RUNNING:
            stop, self._stop_pending = self._stop_pending, False
            pace = self._envelope.stop_pace(measured) if stop else None
            if stop:
                self._envelope.at_rest()
            return ArmCommand(stop=stop, pace=pace, gripper_closed=wish, records=self._drain())
        # a late caller must not make the reference leap: the motion only takes longer
        dt_s = min(max(dt_s, 0.0), 2.0 * self._config.command_period_s)
        twist = self._reference.advance(dt_s)
        error = self._reference.feedback_error(measured.T_base_ee)
        twist = twist + self._config.feedback_gain_1_s * error
        shaped = self._envelope.shape_twist(twist, measured, self._config.hold_s)
        self.num_safety_events += len(shaped.records)
        self._records.extend(shaped.records)
        return ArmCommand(
            shaped.dq_rad_s,
            shaped.twist_base,
            self._config.hold_s,
            pace=shaped.pace,
            gripper_closed=wish,
            records=self._drain(),
        )

    def stop(self, reason: str) -> Outcome:
        """Latch the stop; allowed in every state."""
        already = self._stopped
        self._end_intervention("stopped")
        self._stopped = True
        self._resync = True
        self._stop_pending = True
        self._gripper.drop()
        if self._motion in (State.RUNNING, State.HOMING, State.HOLD):
            self._motion = State.IDLE
        if self._motion is not State.DISCONNECTED and not self._faulted:
            self.detail = f"stopped: {reason}; call resume to go on"
        return Outcome(True, "already stopped" if already else "stopped; call resume to go on")

    def resume(self) -> Outcome:
        """Release the stop latch; the target starts again from the measured pose."""
        if self._motion is State.DISCONNECTED:
            return Outcome(False, f"no robot: {self.detail}")
        if self._faulted:
            return Outcome(False, f"the robot is in a fault: {self.detail}; call recover first")
        if not self._stopped:
            return Outcome(True, f"not stopped; state is {self.state.value}")
        self._stopped = False
        self._stop_pending = False
        self._resync = True
        self._motion = State.IDLE
        self.detail = "resumed"
        return Outcome(True, "resumed; follows the next action")

    def fault(self, reason: str) -> None:
        """The robot stopped itself; counted and recorded once while it lasts."""
        self._resync = True
        self._gripper.drop()
        if self._faulted:
            return
        self._end_intervention("the robot stopped itself")
        self._faulted = True
        self._stopped = True
        self._stop_pending = True
        if self._motion is not State.DISCONNECTED:
            self._motion = State.IDLE
        self.num_faults += 1
        self.num_safety_events += 1
        self.detail = f"{reason}; call recover, then resume"
        self._records.append(SafetyRecord("fault", Severity.FAULT, reason, source="robot"))

    def interrupted(self, reason: str) -> None:
        """A motion ended by itself and the robot is healthy: the next cycle moves on.

        Once is an event; again within `_INTERRUPTION_S` of robot time is a fault.
        """
        now_s = self._measured.robot_time_s if self._measured is not None else 0.0
        last_s, self._interrupted_s = self._interrupted_s, now_s
        if last_s is not None and now_s - last_s < _INTERRUPTION_S:
            self.fault(reason)
            return
        self._records.append(
            SafetyRecord("motion_interrupted", Severity.CLAMPED, reason, source="robot")
        )

    def begin_recovery(self) -> Outcome:
        """Enter RECOVERING; from FAULT only. `recovered` or `recovery_failed` follows."""
        if self.state is State.RECOVERING:
            return Outcome(False, "already recovering")
        if self.state is not State.FAULT:
            return Outcome(False, f"no fault; state is {self.state.value}")
        self._recovering = True
        return Outcome(True, "clears the robot's errors")

    def recovery_failed(self, reason: str) -> Outcome:
        """Errors persist: back to FAULT."""
        self._recovering = False
        self.detail = f"{reason}; call recover, then resume"
        return Outcome(False, reason)

    def recovered(self, measured: ArmState) -> Outcome:
        """The robot says that its fault is cleared; stays stopped until `resume`."""
        self._recovering = False
        if measured.mode in FAULT_MODES or measured.errors:
            return Outcome(False, f"robot still reports {describe_fault(measured)}")
        self._measured = measured
        self._faulted = False
        self._resync = True
        self._stopped = True
        self.detail = "recovered; call resume to go on"
        return Outcome(True, self.detail)

    def way_problem(self, joints_rad: NDArray[np.float64]) -> str:
        """What stands in the way of a straight joint motion to there; empty when nothing does."""
        measured = self._measured
        return "" if measured is None else self._envelope.way_problem(measured.q_rad, joints_rad)

    def begin_homing(self) -> Outcome:
        """Enter HOMING; from IDLE, RUNNING, HOLD and TELEOP only."""
        if self.state is State.HOMING:
            return Outcome(False, "already moving home")
        if self.state not in _FOLLOWING:
            return Outcome(False, f"cannot move home in state {self.state.value!r}: {self.detail}")
        self._end_intervention("moves home")
        self._motion = State.HOMING
        self._resync = True
        self._gripper.want(False)
        self.detail = "opens the gripper, then moves to the home pose"
        return Outcome(True, self.detail)

    def end_homing(self, reached: bool, reason: str = "") -> Outcome:
        """Leave HOMING: at home, or where the motion was given up."""
        if self._motion is State.HOMING:
            self._motion = State.IDLE
        self._resync = True
        if reached and self.state is State.IDLE:
            self.detail = "at home"
            return Outcome(True, "at home, gripper open")
        if self.state is State.IDLE:
            self.detail = f"homing was given up: {reason}"
        return Outcome(False, f"home not reached: {reason or self.detail}")

    def _go(
        self, T_base_target: NDArray[np.float64], request: ActionRequest
    ) -> tuple[SafetyRecord, ...]:
        """Send the reference off; slower than one control period when it has far to go."""
        limits = self._envelope.limits
        way_m, way_rad = self._reference.distance(T_base_target)
        needed_s = max(way_m / limits.max_speed_m_s, way_rad / limits.max_speed_rad_s)
        period_s = self._config.action_period_s
        self._reference.go(T_base_target, max(needed_s, self._config.stretch * period_s))
        # below, it is the jitter of actions that come at their full rate
        if needed_s <= 1.5 * period_s:
            return ()
        self.num_safety_events += 1
        return (slower(request, limits, period_s, needed_s, way_m, way_rad),)

    def _drain(self) -> tuple[SafetyRecord, ...]:
        records, self._records = tuple(self._records), []
        return records

    def _gap_ends(self, idle_s: float, measured: ArmState) -> bool:
        """Whether it is time to hold: no actions come and the last one is worked off."""
        config = self._config
        idle_periods = idle_s / config.action_period_s
        if idle_periods <= config.gap_periods:
            return False
        left_m, left_rad = pose_error(self._reference.T_base_target, measured.T_base_ee)
        settled = (
            float(np.linalg.norm(left_m)) <= config.settled_m
            and float(np.linalg.norm(left_rad)) <= config.settled_rad
        )
        return settled or idle_periods > config.gap_periods + config.settle_periods

    def _hold(self, reason: str) -> None:
        if self._motion is State.RUNNING:
            self._stop_pending = True
        self._motion = State.HOLD
        self.detail = self._mark(reason)

    def _hold_for(self, record: SafetyRecord) -> None:
        self._hold(record.detail)
        self.num_safety_events += 1
        self._records.append(record)

    def _watch_following(self, measured: ArmState) -> None:
        """Hold where a joint does not follow; the next action begins from where the arm is."""
        if self._motion not in (State.RUNNING, State.HOMING):
            self._following.reset()
            return
        joints = self._following.observe(measured)
        if joints:
            self._following.reset()
            self._resync = True
            self._hold_for(blocked(joints, measured))

    def _end_intervention(self, reason: str) -> None:
        self._records.extend(self._intervention.end(reason))

    def _mark(self, detail: str) -> str:
        return f"intervention: {detail}" if self._intervention.active else detail

    def _watch_mode(self, measured: ArmState) -> None:
        if measured.mode in FAULT_MODES:
            self.fault(describe_fault(measured))


_FOLLOWING = (State.IDLE, State.RUNNING, State.HOLD, State.TELEOP)

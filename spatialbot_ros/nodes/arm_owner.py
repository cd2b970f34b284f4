"""The one thread that owns the arm: it connects, streams, homes, recovers and reconnects.

Everybody else leaves actions and requests in its mailbox. It paces itself on the robot's
clock and knows no ROS; what it learns goes to an `OwnerListener`.
"""

import logging
import threading
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    RobotConnectionError,
    RobotError,
    RobotMotionError,
    RobotReflexError,
)
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_records import gripper_failed
from spatialbot_ros.executor_types import Outcome, State
from spatialbot_ros.nodes.owner_mailbox import OwnerMailbox, Request, Wish
from spatialbot_ros.ports import Arm, ArmState
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord

__all__ = ["ArmOwner", "OwnerConfig", "OwnerListener", "Wake", "Wish"]

_LOG = logging.getLogger(__name__)
_POLL_S = 0.002
_RETRY_S = 0.1
"""Between two attempts to reach the robot; what an attempt itself takes comes on top."""

_GRIPPER_OPEN_M = 0.075
_GRIPPER_OPEN_TIMEOUT_S = 2.0
_AT_REST_RAD_S = 0.01
_NO_WAY = "the straight way home is not clear"
_OTHER_WAY = "Move the arm away from it by teleop or by hand guiding, then call home again"


class Wake(Protocol):
    """How the owner waits: as much of `threading.Event` as it needs."""

    def wait(self, timeout: float | None = None) -> bool:
        """Until `set` or for `timeout` seconds; whether it is set."""
        ...

    def set(self) -> None:
        """End the wait; from any thread."""
        ...

    def clear(self) -> None:
        """Forget it."""
        ...


class OwnerListener(Protocol):
    """Hears about everything, on the owner's thread."""

    def on_state(self, executor: Executor) -> None:
        """A control cycle ended, or the state changed while there is no robot."""
        ...

    def on_records(self, records: tuple[SafetyRecord, ...]) -> None:
        """Something was clamped, refused or stopped."""
        ...

    def on_disconnected(self, reason: str) -> None:
        """There is no robot; another try follows."""
        ...

    def now_ns(self) -> int:
        """ROS time."""
        ...


@dataclass(frozen=True, slots=True)
class OwnerConfig:
    """Attributes: period between states and commands [s, robot time] and the homing motion."""

    period_s: float
    home_joints_rad: NDArray[np.float64]
    home_speed_factor: float = 0.3


class ArmOwner:
    """Runs one arm with one executor. `start` begins, `close` ends; both on the main thread.

    Args:
        wake: how it waits; for runs on simulated time.
    """

    def __init__(
        self,
        arm: Arm,
        executor: Executor,
        config: OwnerConfig,
        listener: OwnerListener,
        wake: Wake | None = None,
    ) -> None:
        self._arm = arm
        self._executor = executor
        self._config = config
        self._listener = listener
        self._mailbox = OwnerMailbox()
        self._wake: Wake = threading.Event() if wake is None else wake
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_tick_s = 0.0
        self.num_ticks = 0
        self.longest_tick_s = 0.0

    def start(self) -> None:
        """Connect and serve in a thread of its own."""
        # daemon: a connect that blocks in the SDK must not keep the process from ending
        self._thread = threading.Thread(target=self._run, name="arm-owner", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 3.0) -> bool:
        """Bring the arm to rest, disconnect, end the thread; False when it is still busy."""
        self._ending.set()
        self._wake.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def submit(self, action: ActionRequest) -> None:
        """Leave an action in the mailbox; the oldest are dropped when it runs over."""
        self._mailbox.put_action(action)
        self._wake.set()

    def ask(self, wish: Wish, timeout_s: float) -> Outcome:
        """Have a wish carried out and wait for its end; stop overtakes everything.

        What has not begun by then is not carried out any more, a stop excepted: nobody expects
        the arm to move for a wish that was said to have failed.
        """
        request = Request(wish)
        self._post(request)
        if not request.done.wait(timeout_s):
            fate = "it still waits" if wish is Wish.STOP else "unless it has begun, it is withdrawn"
            return request.answer(
                Outcome(False, f"{wish.value} was not carried out within {timeout_s} s; {fate}")
            )
        return request.answer(Outcome(False, "nobody answered"))

    def stop(self, reason: str) -> None:
        """Have the arm stopped and latched; returns at once, from any thread."""
        self._post(Request(Wish.STOP, reason))

    def _post(self, request: Request) -> None:
        self._mailbox.put_request(request)
        self._wake.set()

    def _run(self) -> None:
        try:
            found_before = False
            while not self._ending.is_set():
                self._tell_state()
                try:
                    self._arm.connect()
                    state = self._arm.read_state()
                    if found_before:
                        # a resume for the connection that was lost must not release this one
                        self._empty_mailbox(state=None)
                    found_before = True
                    self._executor.connected(state)
                    self._last_tick_s = state.robot_time_s
                    self._serve()
                except RobotError as error:
                    self._lose(str(error))
                except Exception as error:
                    # whatever it is, the arm must come to rest and people must hear of it
                    _LOG.exception("the arm's owner failed")
                    self._lose(f"internal error, {type(error).__name__}: {error}")
                else:
                    return
                self._wait_disconnected()
        finally:
            self._release_arm()
            self._refuse_waiting()

    def _lose(self, reason: str) -> None:
        self._executor.disconnected(reason)
        try:
            self._listener.on_disconnected(reason)
        except Exception:
            _LOG.exception("nobody could be told that the robot was lost: %s", reason)
        self._release_arm()

    def _release_arm(self) -> None:
        try:
            self._arm.close()
        except Exception:
            # the zero tail of the last command stops the arm; the next attempt makes a new one
            _LOG.exception("the connection to the robot was not closed in order")

    def _tell_state(self) -> None:
        """Tell it outside a control cycle, where nothing else would end a failure of telling."""
        try:
            self._listener.on_state(self._executor)
        except Exception:
            _LOG.exception("the executor's state was not told")

    def _wait_disconnected(self) -> None:
        self._tell_state()
        self._wake.wait(_RETRY_S)
        self._wake.clear()
        if not self._ending.is_set():
            try:
                self._empty_mailbox(state=None)
            except Exception:
                _LOG.exception("what was asked without a robot was not answered")
            self._tell_state()

    def _serve(self) -> None:
        """Control cycles until the end or until the connection is lost."""
        while not self._ending.is_set():
            state = self._read()
            elapsed_s = state.robot_time_s - self._last_tick_s
            acted = self._empty_mailbox(state)
            # a robot that was restarted begins to count again
            if acted or elapsed_s < 0.0 or elapsed_s >= self._config.period_s - 1e-9:
                self._tick(self._read() if acted else state)
            else:
                # a share only: simulated robots may run faster than the wall clock
                self._wake.wait(max(_POLL_S, 0.4 * (self._config.period_s - elapsed_s)))
                self._wake.clear()
        self._arm.stop(self._executor.stop_pace())

    def _tick(self, state: ArmState) -> None:
        self.longest_tick_s = max(self.longest_tick_s, state.robot_time_s - self._last_tick_s)
        self._last_tick_s = state.robot_time_s
        self.num_ticks += 1
        command = self._executor.step(state)
        self._report(command.records)
        try:
            if self._executor.state is State.FAULT:
                self._arm.withdraw_gripper()
            if command.stop:
                self._arm.stop(command.pace)
            elif command.dq_rad_s is not None:
                self._arm.stream_joints(command.dq_rad_s, command.hold_s, command.pace)
            if command.gripper_closed is not None:
                self._arm.command_gripper(command.gripper_closed)
            failure = self._arm.take_gripper_failure()
            if failure:
                self._report((gripper_failed(failure),))
        except RobotReflexError as error:
            self._executor.fault(str(error))
        except RobotMotionError as error:
            self._executor.interrupted(str(error))
        self._listener.on_state(self._executor)

    def _read(self) -> ArmState:
        """Newest state; an error of the motion that ended becomes a fault."""
        for _ in range(3):
            try:
                return self._arm.read_state()
            except RobotReflexError as error:
                self._executor.fault(str(error))
            except RobotMotionError as error:
                self._executor.interrupted(str(error))
        return self._arm.read_state()

    def _empty_mailbox(self, state: ArmState | None) -> bool:
        """Handle what came in; True when something changed what the arm should do.

        What comes in meanwhile waits for the next cycle: a flood must not keep the arm from one.
        """
        acted = False
        for _ in range(len(self._mailbox)):
            item = self._mailbox.take()
            if item is None:
                break
            acted = True
            if isinstance(item, ActionRequest):
                self._report(self._executor.apply(item, self._listener.now_ns()))
            elif item.outcome is None or item.wish is Wish.STOP:
                self._carry_out(item, state)
        return acted

    def _carry_out(self, request: Request, state: ArmState | None) -> None:
        executor = self._executor
        if request.wish is Wish.STOP:
            request.answer(executor.stop(request.reason or "asked for by /spatialbot/stop"))
            if state is not None:
                # here, not in the next cycle: a resume may come before it
                self._arm.withdraw_gripper()
        elif request.wish is Wish.RESUME:
            request.answer(executor.resume())
        elif state is None:
            request.answer(Outcome(False, f"no robot: {executor.detail}"))
        else:
            try:
                if request.wish is Wish.RECOVER:
                    request.answer(self._recover())
                else:
                    self._home(request)
            except Exception as error:
                request.answer(Outcome(False, f"{request.wish.value} was given up: {error}"))
                raise

    def _recover(self) -> Outcome:
        executor = self._executor
        if executor.state is not State.FAULT:
            return Outcome(True, f"no fault; state is {executor.state.value}")
        executor.begin_recovery()
        self._listener.on_state(executor)
        try:
            self._arm.recover()
            return executor.recovered(self._arm.read_state())
        except RobotConnectionError:
            raise
        except RobotError as error:
            return executor.recovery_failed(str(error))

    def _home(self, request: Request) -> None:
        home_rad = self._config.home_joints_rad
        problem = self._executor.way_problem(home_rad)
        if problem:
            # before the gripper lets go and while a policy may still lead the arm elsewhere
            request.answer(Outcome(False, f"{_NO_WAY}: {problem}. {_OTHER_WAY}"))
            return
        outcome = self._executor.begin_homing()
        if not outcome.success:
            request.answer(outcome)
            return
        try:
            # a held object is let go where it is, not dropped from the home pose
            self._arm.stop(self._executor.stop_pace())
            reached, reason = False, ""
            if self._open_gripper_at_rest():
                # again, from where it has come to rest
                problem = self._executor.way_problem(home_rad)
                reason = f"{problem}. {_OTHER_WAY}" if problem else ""
                reached = not problem and self._arm.move_to_joints(
                    home_rad, self._config.home_speed_factor, self._go_on_homing
                )
            reason = reason or self._executor.detail
        except RobotReflexError as error:
            self._executor.fault(str(error))
            reached, reason = False, str(error)
        except RobotError as error:
            request.answer(Outcome(False, f"home not reached: {error}"))
            raise
        request.answer(self._executor.end_homing(reached, reason))

    def _open_gripper_at_rest(self) -> bool:
        begun_s = self._read().robot_time_s
        while True:
            state = self._read()
            if not self._go_on_homing(state):
                return False
            opened = state.gripper_width_m >= _GRIPPER_OPEN_M
            at_rest = np.max(np.abs(state.dq_rad_s)) < _AT_REST_RAD_S
            if (opened and at_rest) or state.robot_time_s - begun_s > _GRIPPER_OPEN_TIMEOUT_S:
                return True
            self._wake.wait(_POLL_S)
            self._wake.clear()

    def _go_on_homing(self, state: ArmState) -> bool:
        """Keeps everything else alive while the arm moves home; False ends the motion."""
        self._empty_mailbox(state)
        if state.robot_time_s - self._last_tick_s >= self._config.period_s - 1e-9:
            self._tick(state)
        return self._executor.state is State.HOMING and not self._ending.is_set()

    def _report(self, records: tuple[SafetyRecord, ...]) -> None:
        if records:
            self._listener.on_records(records)

    def _refuse_waiting(self) -> None:
        for request in self._mailbox.empty():
            request.answer(Outcome(False, "the executor is ending"))

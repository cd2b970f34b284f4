"""An arm in memory that fails on command, with a robot's reactions; all on simulated time."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    RobotConnectionError,
    RobotError,
    UnknownNameError,
)
from spatialbot_ros.ports import ArmMode, ArmState, Pace
from spatialbot_ros.robots.memory_arm import ManualClock, MemoryArm

REFLEX = "reflex"
USER_STOP = "user_stop"
CONNECTION_LOST = "connection_lost"
SILENCE = "silence"
CLOCK_PAUSED = "clock_paused"

ARM_FAULTS = {
    REFLEX: "the robot stops itself as after a collision",
    USER_STOP: "the enabling device is let go",
    CONNECTION_LOST: "the network is gone; the robot stops itself",
    SILENCE: "connected, and no states come; the client gives up after a second",
    CLOCK_PAUSED: "the robot and its clock stand still, then go on",
}
"""Name -> what happens while the fault lasts."""

_GIVES_UP_S = 1.0


class FaultyArm:
    """See `ports.Arm`; around a `MemoryArm`.

    Args:
        home_joints_rad: (7,) joints at first.
        clock: simulated time, which is the robot's but for its pauses.
        width_m: opening of the fingers now.
        on_gripper: takes the gripper's commands.

    Attributes:
        num_commands: speeds that were streamed and taken.
    """

    def __init__(
        self,
        home_joints_rad: NDArray[np.float64],
        clock: ManualClock,
        width_m: Callable[[], float],
        on_gripper: Callable[[bool], None],
    ) -> None:
        self._clock = clock
        self._width_m = width_m
        self._on_gripper = on_gripper
        self._arm = MemoryArm(home_joints_rad, self._robot_time_s, clock.wait)
        self._connected = False
        self._fault = ""
        self._since_s = 0.0
        self._paused_s = 0.0
        self._last: ArmState | None = None
        self._heard: ArmState | None = None
        self.num_commands = 0

    def begin(self, name: str) -> None:
        """Fail from now on.

        Raises:
            UnknownNameError: there is no such fault.
        """
        if name not in ARM_FAULTS:
            raise UnknownNameError("fault of the arm", name, ARM_FAULTS)
        self._heard = self.truth()
        self._fault, self._since_s = name, self._clock.now_s
        if name == REFLEX:
            self._arm.trip_reflex()
        elif name in (USER_STOP, CONNECTION_LOST):
            self._arm.stop()

    def end(self) -> None:
        """The cause is gone; a reflex stays until `recover`."""
        if self._fault == CLOCK_PAUSED:
            self._paused_s += self._clock.now_s - self._since_s
        self._fault = ""

    def truth(self) -> ArmState:
        """Where the arm really is, whatever its client hears."""
        if not self._connected:
            assert self._last is not None
            return self._last
        self._last = replace(self._arm.read_state(), gripper_width_m=self._width_m())
        return self._last

    def connect(self) -> None:
        """See `ports.Arm`."""
        self._check_reachable()
        self._arm.connect()
        self._connected = True

    def read_state(self) -> ArmState:
        """See `ports.Arm`."""
        if self._fault == SILENCE and self._heard is not None:
            if self._clock.now_s - self._since_s >= _GIVES_UP_S:
                raise RobotConnectionError(f"no state from the robot for {_GIVES_UP_S:g} s")
            return self._heard
        self._check_reachable()
        state = self.truth()
        return replace(state, mode=ArmMode.USER_STOPPED) if self._fault == USER_STOP else state

    def stream_joints(
        self, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace | None = None
    ) -> None:
        """See `ports.Arm`."""
        self._check_reachable()
        if self._fault == USER_STOP:
            raise RobotError("the enabling device is not pressed")
        if self._fault == SILENCE:
            return
        self._arm.stream_joints(dq_rad_s, hold_s, pace)
        self.num_commands += bool(np.any(dq_rad_s))

    def stop(self, pace: Pace | None = None) -> None:
        """See `ports.Arm`."""
        if self._connected:
            self._arm.stop(pace)

    def move_to_joints(
        self,
        q_rad: NDArray[np.float64],
        speed_factor: float,
        go_on: Callable[[ArmState], bool] | None = None,
    ) -> bool:
        """See `ports.Arm`."""
        self._check_reachable()
        return self._arm.move_to_joints(q_rad, speed_factor, go_on)

    def command_gripper(self, closed: bool) -> None:
        """See `ports.Arm`."""
        self._check_reachable()
        self._on_gripper(closed)

    def withdraw_gripper(self) -> None:
        """See `ports.Arm`."""

    def take_gripper_failure(self) -> str:
        """See `ports.Arm`."""
        return self._arm.take_gripper_failure()

    def recover(self) -> None:
        """See `ports.Arm`."""
        self._check_reachable()
        if self._fault == USER_STOP:
            raise RobotError("errors persist after recovery: the enabling device is not pressed")
        self._arm.recover()

    def close(self) -> None:
        """See `ports.Arm`."""
        if self._connected:
            self.truth()
        self._connected = False
        self._arm.close()

    def _check_reachable(self) -> None:
        if self._fault in (CONNECTION_LOST, SILENCE) and (
            self._fault == CONNECTION_LOST or not self._connected
        ):
            raise RobotConnectionError("the robot does not answer")

    def _robot_time_s(self) -> float:
        now_s = self._since_s if self._fault == CLOCK_PAUSED else self._clock.now_s
        return now_s - self._paused_s

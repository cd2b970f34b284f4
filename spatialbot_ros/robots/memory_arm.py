"""A perfect kinematic FR3 in memory: for dry runs without a robot and for unit tests.

It follows joint speeds exactly, on a clock that it is given, and ends each at rest when the
hold time is over, like the real adapter. It has no dynamics, no contacts and no errors
except those asked for through `block_joints`, `trip_reflex` and `drop_connection`.
"""

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    RobotConnectionError,
    RobotError,
    RobotReflexError,
)
from spatialbot_ros.fr3_kinematics import forward
from spatialbot_ros.ports import ArmMode, ArmState, Pace

_MAX_WIDTH_M = 0.08
_FINGER_SPEED_M_S = 0.2
_JOINT_SPEED_RAD_S = 1.5


class ManualClock:
    """A clock that moves only when told; `wait` is its sleep."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, duration_s: float) -> None:
        """Advance."""
        self.now_s += duration_s


class MemoryArm:
    """Arm in memory.

    Args:
        home_joints_rad: (7,) joints at connect.
        clock_s: robot time; the monotonic clock when None.
        wait: how a blocking motion passes `duration_s`; sleeps when None.
        object_width_m: width of an object that is always between the fingers, 0 for none.
    """

    def __init__(
        self,
        home_joints_rad: NDArray[np.float64],
        clock_s: Callable[[], float] | None = None,
        wait: Callable[[float], None] | None = None,
        object_width_m: float = 0.0,
    ) -> None:
        self._home_rad = np.asarray(home_joints_rad, dtype=np.float64)
        if self._home_rad.shape != (7,) or not np.all(np.isfinite(self._home_rad)):
            raise ConfigurationError(f"home joints are {home_joints_rad!r}, expected 7 numbers")
        self._clock_s = time.monotonic if clock_s is None else clock_s
        self._wait = time.sleep if wait is None else wait
        self._object_width_m = object_width_m
        self._connected = False
        self._reflex = False
        self._q_rad = self._home_rad.copy()
        self._dq_rad_s = np.zeros(7)
        self._streamed_rad_s = np.zeros(7)
        self._stream_ends_s = 0.0
        self._time_s = 0.0
        self._width_m = _MAX_WIDTH_M
        self._closed = False
        self._is_blocked = np.zeros(7, dtype=bool)

    def connect(self) -> None:
        """Start at the joints where it was left, at home the first time."""
        self._time_s = self._clock_s()
        self._streamed_rad_s = np.zeros(7)
        self._connected = True

    def read_state(self) -> ArmState:
        """Integrate up to the clock's time and report.

        Raises:
            RobotConnectionError: not connected.
        """
        self._check_connected()
        self._integrate(self._clock_s())
        return ArmState(
            robot_time_s=self._time_s,
            q_rad=self._q_rad.copy(),
            dq_rad_s=self._dq_rad_s.copy(),
            tau_nm=np.zeros(7),
            T_base_ee=forward(self._q_rad)[0],
            gripper_width_m=self._width_m,
            mode=self._mode(),
            errors=("reflex",) if self._reflex else (),
            dq_commanded_rad_s=self._streamed_rad_s.copy(),
        )

    def stream_joints(
        self, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace | None = None
    ) -> None:
        """See `ports.Arm`."""
        self._check_connected()
        if self._reflex:
            raise RobotReflexError("the arm in memory is in a reflex; call recover first")
        now_s = self._clock_s()
        self._integrate(now_s)
        if not np.all(np.isfinite(dq_rad_s)):
            raise RobotError(f"joint speeds {dq_rad_s} cannot be followed")
        self._streamed_rad_s = np.array(dq_rad_s, dtype=np.float64)
        self._stream_ends_s = now_s + hold_s

    def stop(self, pace: Pace | None = None) -> None:
        """At once: it has no inertia."""
        if self._connected:
            self._integrate(self._clock_s())
        self._streamed_rad_s = np.zeros(7)

    def move_to_joints(
        self,
        q_rad: NDArray[np.float64],
        speed_factor: float,
        go_on: Callable[[ArmState], bool] | None = None,
    ) -> bool:
        """Straight in joint space at a constant speed."""
        self.stop()
        goal_rad = np.asarray(q_rad, dtype=np.float64)
        while True:
            self._check_connected()
            if self._reflex:
                raise RobotReflexError("reflex during the joint motion; call recover first")
            way_rad = goal_rad - self._q_rad
            reach_rad = _JOINT_SPEED_RAD_S * speed_factor * 0.01
            share = min(1.0, reach_rad / max(float(np.max(np.abs(way_rad))), 1e-12))
            self._q_rad = goal_rad.copy() if share >= 1.0 else self._q_rad + share * way_rad
            self._wait(0.01)
            state = self.read_state()
            if share >= 1.0:
                return True
            if go_on is not None and not go_on(state):
                return False

    def command_gripper(self, closed: bool) -> None:
        """Fingers move at a constant speed from now on."""
        self._closed = closed

    def withdraw_gripper(self) -> None:
        """No wish waits: its fingers obey at once."""

    def take_gripper_failure(self) -> str:
        """Its fingers never fail."""
        return ""

    def recover(self) -> None:
        """Clear a reflex."""
        self._check_connected()
        self._reflex = False

    def close(self) -> None:
        """Forget the connection."""
        self._streamed_rad_s = np.zeros(7)
        self._connected = False

    def block_joints(self, *joints: int) -> None:
        """Behave as when these joints, 1 to 7, cannot move; none frees all."""
        self._integrate(self._clock_s())
        self._is_blocked = np.isin(np.arange(1, 8), joints)

    def trip_reflex(self) -> None:
        """Behave as after a collision: at rest, refusing motion until `recover`."""
        self.stop()
        self._reflex = True

    def drop_connection(self) -> None:
        """Behave as after a network failure: every call fails until `connect`."""
        self.close()

    def _check_connected(self) -> None:
        if not self._connected:
            raise RobotConnectionError("the arm in memory is not connected; call connect first")

    def _mode(self) -> ArmMode:
        if self._reflex:
            return ArmMode.REFLEX
        return ArmMode.MOVING if np.any(self._streamed_rad_s) else ArmMode.IDLE

    def _integrate(self, now_s: float) -> None:
        moving_s = max(min(now_s, self._stream_ends_s) - self._time_s, 0.0)
        moves = ~self._is_blocked if moving_s > 0.0 else np.zeros(7)
        self._dq_rad_s = self._streamed_rad_s * moves
        self._q_rad = self._q_rad + self._dq_rad_s * moving_s
        if now_s >= self._stream_ends_s:
            self._streamed_rad_s = np.zeros(7)
        goal_m = self._object_width_m if self._closed else _MAX_WIDTH_M
        reach_m = _FINGER_SPEED_M_S * max(now_s - self._time_s, 0.0)
        self._width_m += float(np.clip(goal_m - self._width_m, -reach_m, reach_m))
        self._time_s = now_s

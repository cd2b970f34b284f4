"""Franka FR3 through franky and libfranka; the only module that imports franky.

Joint speeds are streamed as velocity motions of two waypoints: the speeds, held for a while,
and zero. The zero tail is executed in franky's own control loop, so an arm whose caller stalls
comes to rest by itself, within the acceleration limits, which are bounds of each joint there.

Facts about franky that shape this file: motions are single-use; the control type cannot
change while one runs; errors of a running motion surface at the next poll; not every
exception derives from `franky.Exception`; after a network error the objects are dead and
have to be built again; a second client of a robot is kept waiting without an error.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    ConfigurationError,
    MissingDependencyError,
    RobotConnectionError,
    RobotError,
    RobotMotionError,
    RobotReflexError,
)
from spatialbot_model.contracts.transforms import compose, quaternion_to_matrix
from spatialbot_ros.fr3_limits import COMMAND_ACCELERATION_RAD_S2, COMMAND_JERK_RAD_S3
from spatialbot_ros.ports import ArmMode, ArmState, Pace
from spatialbot_ros.robots.gripper_worker import GripperWorker

try:
    import franky
except ImportError as error:
    raise MissingDependencyError(
        f"the robot needs the package franky-control ({error}); run `make setup`, or"
        " `pip install franky-control`"
    ) from error

_LOG = logging.getLogger(__name__)

ROBOT_PORT = 1337
GRIPPER_PORT = 1338
_PROBE_TIMEOUT_S = 1.0
_CONNECT_TIMEOUT_S = 5.0
_REST_TIMEOUT_S = 2.0
_SETTLE_TIMEOUT_S, _SETTLED_RAD_S = 0.5, 0.001
_RECOVERY_TIMEOUT_S = 2.0
_POLL_S = 0.005
_OPEN_WIDTH_M = 0.08
_PLANNER_FAILED = "Motion planner failed"
_SPEED_DECIMALS = 6
"""A microradian per second: finer differences are noise to the planner."""
_MODES = {
    "Idle": ArmMode.IDLE,
    "Move": ArmMode.MOVING,
    "Reflex": ArmMode.REFLEX,
    "UserStopped": ArmMode.USER_STOPPED,
}
_ERROR_NAMES = tuple(name for name in dir(franky.Errors) if not name.startswith("_"))

# grippers whose last command never ends; kept alive because dropping them would crash
_ABANDONED: list[Any] = []

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FrankyConfig:
    """How the arm is driven.

    Attributes:
        address: host name or IP of the robot (or of the simulated lab).
        acceleration_factor, jerk_factor: share of the joints' limits that streams without a pace
            of their own use, in (0, 1].
        enforce_realtime: refuse to run without a real-time kernel.
        grasp_speed_m_s, open_speed_m_s: speeds of the fingers.
        grasp_force_n: force on a held object.

    Raises:
        ConfigurationError: a value cannot be used.
    """

    address: str
    acceleration_factor: float = 0.5
    jerk_factor: float = 0.3
    enforce_realtime: bool = False
    grasp_speed_m_s: float = 0.1
    open_speed_m_s: float = 0.1
    grasp_force_n: float = 30.0

    def __post_init__(self) -> None:
        if not self.address:
            raise ConfigurationError("the robot needs an address, e.g. 172.16.0.2")
        for name in ("acceleration_factor", "jerk_factor"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}, expected a value above 0 and at most 1"
                )


class FrankyArm:
    """See `ports.Arm`."""

    def __init__(self, config: FrankyConfig) -> None:
        self._config = config
        self._dynamics = franky.RelativeDynamicsFactor(
            1.0, config.acceleration_factor, config.jerk_factor
        )
        self._robot: Any = None
        self._gripper: GripperWorker | None = None

    def connect(self) -> None:
        """See `ports.Arm`; a robot that is owned by another program counts as not answering."""
        self.close()
        address = self._config.address
        _probe(address)
        realtime = franky.RealtimeConfig
        mode = realtime.Enforce if self._config.enforce_realtime else realtime.Ignore
        with _translated(f"connecting to the robot at {address}:{ROBOT_PORT}"):
            robot = _within(
                lambda: franky.Robot(address, realtime_config=mode), f"{address}:{ROBOT_PORT}"
            )
            # a pace is a share of these, and franky's own are those of another arm
            robot.joint_acceleration_limit.set(COMMAND_ACCELERATION_RAD_S2)
            robot.joint_jerk_limit.set(COMMAND_JERK_RAD_S3)
        with _translated(f"connecting to the gripper at {address}:{GRIPPER_PORT}"):
            device = _within(lambda: franky.Gripper(address), f"{address}:{GRIPPER_PORT}")
            gripper = GripperWorker(_FrankyGripper(device, self._config))
            gripper.start()
        self._robot, self._gripper = robot, gripper

    def read_state(self) -> ArmState:
        """See `ports.Arm`."""
        robot, gripper = self._owned()
        with _translated("reading the robot state"):
            state = robot.state
            errors = tuple(n for n in _ERROR_NAMES if getattr(state.current_errors, n))
            # the errors of a motion that ended are kept until they are asked for
            robot.poll_motion()
            pose = state.O_T_EE
            return ArmState(
                robot_time_s=state.time.to_sec(),
                q_rad=np.array(state.q, dtype=np.float64),
                dq_rad_s=np.array(state.dq, dtype=np.float64),
                tau_nm=np.array(state.tau_J, dtype=np.float64),
                T_base_ee=compose(quaternion_to_matrix(pose.quaternion), pose.translation),
                gripper_width_m=gripper.width_m(),
                mode=_MODES.get(state.robot_mode.name, ArmMode.OTHER),
                errors=errors,
                dq_commanded_rad_s=np.array(state.dq_d, dtype=np.float64),
                control_success_rate=float(state.control_command_success_rate),
            )

    def stream_joints(
        self, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace | None = None
    ) -> None:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        hold = franky.Duration(max(1, round(hold_s * 1e3)))
        waypoint = franky.JointVelocityWaypoint
        motion = franky.JointVelocityWaypointMotion(
            [
                waypoint(np.round(dq_rad_s, _SPEED_DECIMALS), hold_target_duration=hold),
                waypoint(np.zeros(7)),
            ],
            relative_dynamics_factor=self._dynamics_of(pace),
        )
        with _translated("streaming joint speeds"):
            # no limit_rate: it lags behind speeds that are within the limits and overshoots them
            robot.move(motion, asynchronous=True)

    def stop(self, pace: Pace | None = None) -> None:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        with _translated("stopping"):
            kind = robot.current_control_signal_type
            if kind is None or not robot.is_in_control:
                return
            stop = {
                franky.ControlSignalType.JointVelocities: franky.JointVelocityStopMotion,
                franky.ControlSignalType.JointPositions: franky.JointStopMotion,
            }.get(kind)
            if stop is None:
                robot.stop()
            else:
                robot.move(stop(self._dynamics_of(pace)), asynchronous=True)

    def move_to_joints(
        self,
        q_rad: NDArray[np.float64],
        speed_factor: float,
        go_on: Callable[[ArmState], bool] | None = None,
    ) -> bool:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        self._come_to_rest()
        motion = franky.JointMotion(
            [float(v) for v in q_rad], relative_dynamics_factor=float(speed_factor)
        )
        with _translated("moving to joint positions"):
            robot.move(motion, asynchronous=True)
        while True:
            with _translated("moving to joint positions"):
                if robot.poll_motion():
                    return True
            if go_on is not None and not go_on(self.read_state()):
                self._come_to_rest()
                return False
            time.sleep(_POLL_S)

    def command_gripper(self, closed: bool) -> None:
        """See `ports.Arm`.

        Raises:
            RobotError: why the previous command failed; the new one is tried all the same.
        """
        _, gripper = self._owned()
        failure = gripper.take_failure()
        gripper.command(closed)
        if failure is not None:
            raise failure

    def recover(self) -> None:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        with _translated("recovering"):
            # its answer can be wrong: only the state afterwards counts
            robot.recover_from_errors()
        ends_s = time.monotonic() + _RECOVERY_TIMEOUT_S
        while True:
            try:
                state = self.read_state()
            except RobotReflexError:
                # the stored error of the motion that the reflex ended
                state = self.read_state()
            if state.mode not in (ArmMode.REFLEX, ArmMode.USER_STOPPED) and not state.errors:
                return
            if time.monotonic() > ends_s:
                raise RobotError(
                    f"errors persist after recovery: {', '.join(state.errors) or 'none named'}"
                    f" (mode {state.mode.value}); free the robot, release the stop, try again"
                )
            time.sleep(0.05)

    def close(self) -> None:
        """See `ports.Arm`."""
        if self._robot is not None:
            try:
                self._come_to_rest()
            except RobotError:
                # given up because of such errors; the zero tail stops the arm. franky aborts the
                # process when a robot is dropped before its control thread was joined
                _join_quietly(self._robot)
        if self._gripper is not None:
            self._gripper.close()
        self._robot = self._gripper = None

    def _come_to_rest(self) -> None:
        self.stop()
        with _translated("waiting for the arm to come to rest"):
            if not self._robot.join_motion(_REST_TIMEOUT_S):
                raise RobotError(f"the arm did not come to rest within {_REST_TIMEOUT_S} s")
            # the arm follows its commands a little late, and the next motion begins as it is then
            ends_s = time.monotonic() + _SETTLE_TIMEOUT_S
            while not self._is_settled() and time.monotonic() < ends_s:
                time.sleep(_POLL_S)

    def _is_settled(self) -> bool:
        state = self._robot.state
        return bool(np.max(np.abs([state.dq, state.dq_d])) < _SETTLED_RAD_S)

    def _dynamics_of(self, pace: Pace | None) -> Any:
        """A pace is a share of the limits that were set on connecting."""
        if pace is None:
            return self._dynamics
        return franky.RelativeDynamicsFactor(1.0, pace.acceleration, pace.jerk)

    def _owned(self) -> tuple[Any, GripperWorker]:
        if self._robot is None or self._gripper is None:
            raise RobotConnectionError(
                f"no connection to the robot at {self._config.address}; call connect first"
            )
        return self._robot, self._gripper


class _FrankyGripper:
    """See `gripper_worker.GripperDevice`."""

    def __init__(self, gripper: Any, config: FrankyConfig) -> None:
        self._gripper = gripper
        self._config = config
        self._future: Any = None

    def start(self, closed: bool) -> None:
        config = self._config
        with _translated("commanding the gripper"):
            if closed:
                # any width counts as grasped: whether something is held is judged by the width
                self._future = self._gripper.grasp_async(
                    0.0,
                    config.grasp_speed_m_s,
                    config.grasp_force_n,
                    epsilon_inner=0.005,
                    epsilon_outer=_OPEN_WIDTH_M,
                )
            else:
                self._future = self._gripper.move_async(_OPEN_WIDTH_M, config.open_speed_m_s)

    def finished(self) -> bool:
        if self._future is None:
            return True
        with _translated("moving the gripper"):
            if not self._future.wait(0.0):
                return False
            future, self._future = self._future, None
            future.get()
        return True

    def read_width_m(self) -> float:
        with _translated("reading the gripper"):
            return float(self._gripper.width)

    def close(self) -> None:
        # franky runs the command in a thread that uses the gripper object: dropping the object
        # first crashes the process
        if self._future is not None and not self._future.wait(_REST_TIMEOUT_S):
            _ABANDONED.append((self._gripper, self._future))
        self._future = None
        self._gripper = None


def _join_quietly(robot: Any) -> None:
    try:
        robot.join_motion(_REST_TIMEOUT_S)
    except Exception:
        _LOG.info("the last motion ended with an error", exc_info=True)


def _probe(address: str) -> None:
    """Fail at once, and in words, where libfranka would wait for its long time-outs."""
    try:
        socket.create_connection((address, ROBOT_PORT), _PROBE_TIMEOUT_S).close()
    except OSError as error:
        raise RobotConnectionError(
            f"no robot answers at {address}:{ROBOT_PORT} ({error}). Check the address"
            " (parameter robot_ip), the cable, that the robot is on, its joints are unlocked and"
            " FCI is enabled in Desk; in simulation, that the simulated lab runs at this address"
        ) from error


def _within(make: Callable[[], T], where: str) -> T:
    """Run a constructor that may block for long; give up after `_CONNECT_TIMEOUT_S`."""
    made: list[T] = []
    failed: list[BaseException] = []
    lock, given_up = threading.Lock(), threading.Event()

    def run() -> None:
        try:
            result = make()
        except BaseException as error:
            failed.append(error)
            return
        with lock:
            # dropped here, a connection that comes too late is closed again
            if not given_up.is_set():
                made.append(result)

    thread = threading.Thread(target=run, name="franky-connect", daemon=True)
    thread.start()
    thread.join(_CONNECT_TIMEOUT_S)
    with lock:
        given_up.set()
    if failed:
        raise failed[0]
    if not made:
        raise RobotConnectionError(
            f"{where} accepts connections but does not answer within {_CONNECT_TIMEOUT_S} s; is"
            " another program controlling this robot?"
        )
    return made[0]


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Everything that franky raises becomes one of our errors."""
    try:
        yield
    except RobotError:
        raise
    except franky.NetworkException as error:
        raise RobotConnectionError(f"connection lost while {doing}: {error}") from error
    except (franky.ControlException, franky.CommandException) as error:
        raise RobotReflexError(f"the robot refused or stopped while {doing}: {error}") from error
    except Exception as error:
        # franky also raises plain RuntimeError and types outside its own exception tree
        if _PLANNER_FAILED in str(error):
            raise RobotMotionError(f"the motion ended while {doing}: {error}") from error
        raise RobotError(f"{type(error).__name__} while {doing}: {error}") from error

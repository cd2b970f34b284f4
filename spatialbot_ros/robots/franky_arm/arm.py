"""See the package."""

import time
from collections.abc import Callable
from typing import Any

import franky
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import RobotConnectionError, RobotError, RobotReflexError
from spatialbot_model.contracts.transforms import compose, quaternion_to_matrix
from spatialbot_ros.fr3_limits import COMMAND_ACCELERATION_RAD_S2, COMMAND_JERK_RAD_S3
from spatialbot_ros.ports import ArmMode, ArmState, Pace
from spatialbot_ros.robots.franky_arm.config import FrankyConfig
from spatialbot_ros.robots.franky_arm.connection import (
    GRIPPER_PORT,
    REST_TIMEOUT_S,
    ROBOT_PORT,
    join_quietly,
    probe,
    translated,
    within,
)
from spatialbot_ros.robots.franky_arm.gripper import FrankyGripper
from spatialbot_ros.robots.franky_arm.streams import STREAMS, stop_motion
from spatialbot_ros.robots.gripper_worker import GripperWorker

_SETTLE_TIMEOUT_S, _SETTLED_RAD_S = 0.5, 0.001
_RECOVERY_TIMEOUT_S = 2.0
_POLL_S = 0.005
_MODES = {
    "Idle": ArmMode.IDLE,
    "Move": ArmMode.MOVING,
    "Reflex": ArmMode.REFLEX,
    "UserStopped": ArmMode.USER_STOPPED,
}
_ERROR_NAMES = tuple(name for name in dir(franky.Errors) if not name.startswith("_"))


class FrankyArm:
    """See `ports.Arm`."""

    def __init__(self, config: FrankyConfig) -> None:
        self._config = config
        self._pace = Pace(config.acceleration_factor, config.jerk_factor)
        self._stream = STREAMS[config.backend]()
        self._robot: Any = None
        self._gripper: GripperWorker | None = None

    def connect(self) -> None:
        """See `ports.Arm`; a robot that is owned by another program counts as not answering."""
        self.close()
        address = self._config.address
        probe(address)
        realtime = franky.RealtimeConfig
        mode = realtime.Enforce if self._config.enforce_realtime else realtime.Ignore
        with translated(f"connecting to the robot at {address}:{ROBOT_PORT}"):
            robot = within(
                lambda: franky.Robot(address, realtime_config=mode), f"{address}:{ROBOT_PORT}"
            )
            # a pace is a share of these, and franky's own are those of another arm
            robot.joint_acceleration_limit.set(COMMAND_ACCELERATION_RAD_S2)
            robot.joint_jerk_limit.set(COMMAND_JERK_RAD_S3)
        with translated(f"connecting to the gripper at {address}:{GRIPPER_PORT}"):
            device = within(lambda: franky.Gripper(address), f"{address}:{GRIPPER_PORT}")
            gripper = GripperWorker(FrankyGripper(device, self._config))
            gripper.start()
        self._robot, self._gripper = robot, gripper

    def read_state(self) -> ArmState:
        """See `ports.Arm`."""
        robot, gripper = self._owned()
        with translated("reading the robot state"):
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
                dq_commanded_rad_s=self._stream.commanded_rad_s(state),
                control_success_rate=float(state.control_command_success_rate),
            )

    def stream_joints(
        self, dq_rad_s: NDArray[np.float64], hold_s: float, pace: Pace | None = None
    ) -> None:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        with translated("streaming joint speeds"):
            self._stream.stream(robot, dq_rad_s, hold_s, pace or self._pace)

    def stop(self, pace: Pace | None = None) -> None:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        self._stream.reset()
        with translated("stopping"):
            stop_motion(robot, pace or self._pace)

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
        with translated("moving to joint positions"):
            robot.move(motion, asynchronous=True)
        while True:
            with translated("moving to joint positions"):
                if robot.poll_motion():
                    return True
            if go_on is not None and not go_on(self.read_state()):
                self._come_to_rest()
                return False
            time.sleep(_POLL_S)

    def command_gripper(self, closed: bool) -> None:
        """See `ports.Arm`."""
        self._owned()[1].command(closed)

    def withdraw_gripper(self) -> None:
        """See `ports.Arm`."""
        self._owned()[1].withdraw()

    def take_gripper_failure(self) -> str:
        """See `ports.Arm`."""
        failure = self._owned()[1].take_failure()
        return "" if failure is None else str(failure)

    def recover(self) -> None:
        """See `ports.Arm`."""
        robot, _ = self._owned()
        with translated("recovering"):
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
        self._stream.reset()
        if self._robot is not None:
            try:
                self._come_to_rest()
            except RobotError:
                # given up because of such errors; the zero tail stops the arm. franky aborts the
                # process when a robot is dropped before its control thread was joined
                join_quietly(self._robot)
        if self._gripper is not None:
            self._gripper.close()
        self._robot = self._gripper = None

    def _come_to_rest(self) -> None:
        self.stop()
        with translated("waiting for the arm to come to rest"):
            if not self._robot.join_motion(REST_TIMEOUT_S):
                raise RobotError(f"the arm did not come to rest within {REST_TIMEOUT_S} s")
            # the arm follows its commands a little late, and the next motion begins as it is then
            ends_s = time.monotonic() + _SETTLE_TIMEOUT_S
            while not self._is_settled() and time.monotonic() < ends_s:
                time.sleep(_POLL_S)

    def _is_settled(self) -> bool:
        state = self._robot.state
        return bool(np.max(np.abs([state.dq, state.dq_d])) < _SETTLED_RAD_S)

    def _owned(self) -> tuple[Any, GripperWorker]:
        if self._robot is None or self._gripper is None:
            raise RobotConnectionError(
                f"no connection to the robot at {self._config.address}; call connect first"
            )
        return self._robot, self._gripper

"""The Franka hand through franky; its worker calls it from one thread."""

from typing import Any

from spatialbot_ros.robots.franky_arm.config import FrankyConfig
from spatialbot_ros.robots.franky_arm.connection import REST_TIMEOUT_S, translated

_OPEN_WIDTH_M = 0.08

# grippers whose last command never ends; kept alive because dropping them would crash
_ABANDONED: list[Any] = []


class FrankyGripper:
    """See `gripper_worker.GripperDevice`."""

    def __init__(self, gripper: Any, config: FrankyConfig) -> None:
        self._gripper = gripper
        self._config = config
        self._future: Any = None

    def start(self, closed: bool) -> None:
        config = self._config
        with translated("commanding the gripper"):
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
        with translated("moving the gripper"):
            if not self._future.wait(0.0):
                return False
            future, self._future = self._future, None
            future.get()
        return True

    def read_width_m(self) -> float:
        with translated("reading the gripper"):
            return float(self._gripper.width)

    def close(self) -> None:
        # franky runs the command in a thread that uses the gripper object: dropping the object
        # first crashes the process
        if self._future is not None and not self._future.wait(REST_TIMEOUT_S):
            _ABANDONED.append((self._gripper, self._future))
        self._future = None
        self._gripper = None

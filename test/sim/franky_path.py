"""The way an action takes on the robot: executor, owner thread, franky, libfranka, lab."""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from running_lab import TIMEOUT_S, RunningLab, wait_until

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.nodes.arm_owner import ArmOwner, OwnerConfig
from spatialbot_ros.ports import ArmState
from spatialbot_ros.robots.franky_arm import FrankyArm, FrankyConfig
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest, SafetyRecord


class FrankyPath:
    """Context manager: an executor on the robot of a running lab, fed at the spec's rate.

    Attributes:
        trail: (robot time [s], (4, 4) measured pose, width [m]) of every control cycle.
        records: interventions of the safety envelope.
    """

    def __init__(self, running: RunningLab, cell: Cell, spec: ActionSpec) -> None:
        self._running = running
        self._spec = spec
        config = ExecutorConfig(action_rate_hz=spec.rate_hz)
        envelope = SafetyEnvelope(SafetyLimits(), cell.workspace_min_m, cell.workspace_max_m, spec)
        self.executor = Executor(config, envelope)
        self._owner = ArmOwner(
            FrankyArm(FrankyConfig(running.address)),
            self.executor,
            OwnerConfig(config.command_period_s, cell.home_joints_rad),
            self,
        )
        self._sequence = 0
        self._lock = threading.Lock()
        self._state: ArmState | None = None
        self.trail: list[tuple[float, NDArray[np.float64], float]] = []
        self.records: list[SafetyRecord] = []

    def __enter__(self) -> "FrankyPath":
        self._owner.start()
        wait_until(lambda: self.executor.state is State.IDLE and self._state is not None)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._owner.close(TIMEOUT_S)

    def play(self, actions: Sequence[DeltaAction]) -> list[tuple[float, NDArray[np.float64]]]:
        """Send one action per control period of robot time; poses when each was sent."""
        poses = []
        begin_s = self.robot_time_s()
        for k, action in enumerate(actions):
            due_s = begin_s + k / self._spec.rate_hz
            wait_until(lambda due_s=due_s: self.robot_time_s() >= due_s)
            poses.append((self.robot_time_s() - begin_s, self.measured()))
            self._sequence += 1
            self._owner.submit(ActionRequest.from_action(action, self._sequence, self.now_ns()))
        return poses

    def settle(self, duration_s: float) -> NDArray[np.float64]:
        """Pose after some more robot time."""
        end_s = self.robot_time_s() + duration_s
        wait_until(lambda: self.robot_time_s() >= end_s)
        return self.measured()

    def robot_time_s(self) -> float:
        """Of the newest control cycle."""
        with self._lock:
            assert self._state is not None
            return self._state.robot_time_s

    def measured(self) -> NDArray[np.float64]:
        """(4, 4) newest measured pose."""
        with self._lock:
            assert self._state is not None
            return self._state.T_base_ee

    def on_state(self, executor: Executor) -> None:
        """See `OwnerListener`."""
        state = executor.measured
        if state is not None:
            with self._lock:
                self._state = state
            self.trail.append((state.robot_time_s, state.T_base_ee, state.gripper_width_m))

    def on_records(self, records: tuple[SafetyRecord, ...]) -> None:
        """See `OwnerListener`."""
        self.records += records

    def on_disconnected(self, reason: str) -> None:
        """See `OwnerListener`."""

    def now_ns(self) -> int:
        """See `OwnerListener`."""
        return self._running.lab.time_ns

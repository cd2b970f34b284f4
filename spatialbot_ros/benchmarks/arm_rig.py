"""The real way of an action, for measurements: executor, owner, franky, libfranka, robot."""

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

from spatialbot_model.contracts.errors import SimulationError
from spatialbot_ros.configuration import load_action_spec, load_cell, load_safety_limits
from spatialbot_ros.executor import Executor
from spatialbot_ros.executor_types import ExecutorConfig, State
from spatialbot_ros.nodes.arm_owner import ArmOwner, OwnerConfig
from spatialbot_ros.robots.registry import ArmSettings, make_arm
from spatialbot_ros.safety import SafetyEnvelope
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import SafetyRecord

_START_S, _WAIT_S = 60.0, 120.0
_NS_PER_S = 1_000_000_000


def logged_robot(address: str, log: Path, *, paced: bool = False) -> list[str]:
    """Command line of the simulated robot that logs every millisecond.

    Args:
        paced: simulate no faster than real time.
    """
    command = [sys.executable, "-m", "spatialbot_sim.logged_robot", address, str(log)]
    return [*command, "--paced"] if paced else command


class ArmRig:
    """Context manager; the policy's side calls `owner.submit` and waits on robot time.

    Args:
        address: loopback address of the simulated robot.
        robot: command line that simulates it: prints ``ready``, ends at the end of its input.
        limits: the shipped ones when None.
        log: file for what the robot's process says about itself; None = where this one says it.

    Attributes:
        records: all interventions.
        losses: why the connection was lost, each time.
    """

    def __init__(
        self,
        address: str,
        robot: Sequence[str],
        limits: SafetyLimits | None = None,
        log: Path | None = None,
    ) -> None:
        self.cell, self.spec = load_cell(), load_action_spec()
        self._command, self._log = list(robot), log
        config = ExecutorConfig(action_rate_hz=self.spec.rate_hz)
        envelope = SafetyEnvelope(
            limits or load_safety_limits(),
            self.cell.workspace_min_m,
            self.cell.workspace_max_m,
            self.spec,
            self.cell.table_top_z_m,
        )
        self.executor = Executor(config, envelope)
        arm = make_arm("franky", ArmSettings(address, self.cell.home_joints_rad))
        owner_config = OwnerConfig(config.command_period_s, self.cell.home_joints_rad)
        self.owner = ArmOwner(arm, self.executor, owner_config, self)
        self._process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()
        self._time_s = 0.0
        self.records: list[SafetyRecord] = []
        self.record_times_s: list[float] = []
        self.losses: list[str] = []

    def __enter__(self) -> "ArmRig":
        with contextlib.ExitStack() as stack:
            errors = None if self._log is None else stack.enter_context(self._log.open("wb"))
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise SimulationError("the simulated robot did not start; see its error output above")
        self.owner.start()
        self.wait(lambda: self.executor.state is State.IDLE, _START_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.owner.close(10.0)
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        process.stdin.close()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    @property
    def time_s(self) -> float:
        """Robot time of the newest control cycle."""
        return self._time_s

    def wait(self, condition: Callable[[], bool], timeout_s: float = _WAIT_S) -> None:
        """Until the condition holds; looked at after every control cycle.

        Raises:
            SimulationError: not in time.
        """
        ends_s = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                if time.monotonic() > ends_s:
                    state = f"{self.executor.state.value}: {self.executor.detail}"
                    raise SimulationError(f"the arm does not go on ({state})")
                self._changed.wait(0.1)

    def pass_time(self, duration_s: float) -> None:
        """Wait for robot time."""
        ends_s = self._time_s + duration_s
        self.wait(lambda: self._time_s >= ends_s)

    def on_state(self, executor: Executor) -> None:
        """See `OwnerListener`."""
        with self._changed:
            if executor.measured is not None:
                self._time_s = executor.measured.robot_time_s
            self._changed.notify_all()

    def on_records(self, records: tuple[SafetyRecord, ...]) -> None:
        """See `OwnerListener`."""
        self.records.extend(records)
        self.record_times_s.extend([self._time_s] * len(records))

    def on_disconnected(self, reason: str) -> None:
        """See `OwnerListener`."""
        self.losses.append(reason)

    def now_ns(self) -> int:
        """See `OwnerListener`; robot time plus an hour, so that stamps can lie in the past."""
        return round((self._time_s + 3600.0) * _NS_PER_S)

"""Where stops are measured: on the arm's owner in this process, or over ROS on its node."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.errors import SimulationError
from spatialbot_ros.benchmarks.arm_rig import ArmRig, logged_robot
from spatialbot_ros.bringup import NodeSpec, ParameterValue
from spatialbot_ros.nodes.arm_owner import Wish
from spatialbot_ros.nodes.executor_probe import ExecutorProbe
from spatialbot_ros.process_group import node_command, node_environment
from spatialbot_ros.safety_limits import SafetyLimits
from spatialbot_ros.safety_records import ActionRequest

_END_S = 10.0


class StopRig(Protocol):
    """An executor on a simulated robot; times are robot time."""

    @property
    def target_m(self) -> NDArray[np.float64]:
        """(3,) where the executor takes the tool."""
        ...

    def act(self, action: DeltaAction) -> None:
        """Send an action."""
        ...

    def pass_time(self, duration_s: float) -> None:
        """Wait."""
        ...

    def stop(self) -> float:
        """Ask for a stop and wait for the latch; returns when it was asked, monotonic [s]."""
        ...

    def resume(self) -> None:
        """Release it."""
        ...


class OwnerRig:
    """Around an `ArmRig`: another thread of the executor's process asks."""

    def __init__(self, rig: ArmRig) -> None:
        self._rig = rig
        self._sequence = 0

    @property
    def target_m(self) -> NDArray[np.float64]:
        """See `StopRig`."""
        return self._rig.executor.T_base_target[:3, 3]

    def act(self, action: DeltaAction) -> None:
        """See `StopRig`."""
        self._sequence += 1
        now_ns = self._rig.now_ns()
        self._rig.owner.submit(ActionRequest.from_action(action, self._sequence, now_ns))

    def pass_time(self, duration_s: float) -> None:
        """See `StopRig`."""
        self._rig.pass_time(duration_s)

    def stop(self) -> float:
        """See `StopRig`."""
        asked_s = time.monotonic()
        self._rig.owner.ask(Wish.STOP, 10.0)
        return asked_s

    def resume(self) -> None:
        """See `StopRig`."""
        self._rig.owner.ask(Wish.RESUME, 10.0)


class NodeRig:
    """Around an `ExecutorProbe`: another process asks the executor node."""

    def __init__(self, probe: ExecutorProbe, on_topic: bool) -> None:
        self._probe = probe
        self._on_topic = on_topic

    @property
    def target_m(self) -> NDArray[np.float64]:
        """See `StopRig`."""
        return self._probe.target_m

    def act(self, action: DeltaAction) -> None:
        """See `StopRig`."""
        self._probe.act(action)

    def pass_time(self, duration_s: float) -> None:
        """See `StopRig`."""
        self._probe.pass_time(duration_s)

    def stop(self) -> float:
        """See `StopRig`."""
        return self._probe.ask_to_stop(self._on_topic)

    def resume(self) -> None:
        """See `StopRig`."""
        self._probe.resume()


@contextlib.contextmanager
def owner_rig(address: str, log: Path, limits: SafetyLimits) -> Iterator[OwnerRig]:
    """The executor in this process."""
    with ArmRig(address, logged_robot(address, log, paced=True), limits) as rig:
        yield OwnerRig(rig)


@contextlib.contextmanager
def node_rig(
    address: str, log: Path, speed_factor: float, safety_file: str, on_topic: bool
) -> Iterator[NodeRig]:
    """The executor node in a process of its own, as it ships.

    Raises:
        SimulationError: the simulated robot does not start.
        StaleDataError: the executor does not answer.
    """
    parameters: dict[str, ParameterValue] = {
        "robot_ip": address,
        "speed_factor": speed_factor,
        "safety_file": safety_file,
    }
    node = NodeSpec(
        "executor", "executor_node", "spatialbot_ros.nodes.executor", parameters=parameters
    )
    with contextlib.ExitStack() as stack:
        robot = subprocess.Popen(
            logged_robot(address, log, paced=True),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(_end, robot)
        assert robot.stdout is not None
        if robot.stdout.readline() != "ready\n":
            raise SimulationError("the simulated robot did not start; see its error output above")
        executor = subprocess.Popen(
            node_command(node), env=node_environment(), stderr=subprocess.DEVNULL
        )
        stack.callback(_end, executor)
        with ExecutorProbe() as probe:
            probe.wait_ready()
            yield NodeRig(probe, on_topic)


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    else:
        process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()

"""The nodes of pick and place, each a process of its own that can be killed and started again.

`spatialbot up` ends all nodes when one of them ends; here the others go on, as after
``ros2 run``, so that it shows what they make of it. What `spatialbot up` supervises is
supervised here too.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from spatialbot_model.contracts.errors import SimulationError
from spatialbot_ros.bringup import NodeSpec, pick_place_nodes
from spatialbot_ros.process_group import node_command, node_environment
from spatialbot_sim.tick_log import TickLog, read_tick_log

SIMULATION = "simulation"
_END_S = 10.0
_POLL_S = 0.05
_RESPAWN_S = 60.0


class KillStack:
    """Context manager; leaves no process.

    Args:
        arguments: launch arguments of pick and place.
        folder: for logs.

    Attributes:
        names: the nodes in starting order.
    """

    def __init__(self, arguments: Mapping[str, str], folder: Path) -> None:
        self._specs = {spec.name: spec for spec in pick_place_nodes(arguments)}
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._num_starts = 0
        self._tick_log = folder
        self.names = tuple(self._specs)

    def __enter__(self) -> "KillStack":
        self.start_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end_all()

    def start_all(self) -> None:
        """Start every node."""
        for name in self.names:
            self.start(name)

    def end_all(self) -> None:
        """End every node in order, by force if need be."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        ends_s = time.monotonic() + _END_S
        for process in self._processes.values():
            try:
                process.wait(max(ends_s - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._processes.clear()

    def start(self, name: str) -> None:
        """Start one node, as a person would who reads that it has ended."""
        self._num_starts += 1
        spec = self._specs[name]
        if name == SIMULATION:
            self._tick_log = self._folder / f"ticks{self._num_starts}.bin"
            spec = replace(spec, parameters={**spec.parameters, "tick_log": str(self._tick_log)})
        with (self._folder / f"{name}.log").open("ab") as log:
            # an own session: Ctrl-C in the terminal reaches this process only, which ends them
            self._processes[name] = subprocess.Popen(
                node_command(spec),
                env=node_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_supervised(self, name: str) -> bool:
        """Whether the node is started again by itself."""
        return self._specs[name].respawn

    def kill(self, name: str) -> float:
        """SIGKILL to the node itself; returns the monotonic clock [s].

        Whoever watches over it does not start it again before `let_respawn`, so that what
        happens without it can be seen on a machine of any speed.

        Raises:
            SimulationError: it does not run.
        """
        pid = self._pid(self._specs[name])
        if pid is None:
            raise SimulationError(f"node {name} does not run; its log is in {self._folder}")
        if self.is_supervised(name):
            self._processes[name].send_signal(signal.SIGSTOP)
        now_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        if not self.is_supervised(name):
            self._processes[name].wait()
        return now_s

    def let_respawn(self, name: str) -> None:
        """Let the supervisor go on, and wait until it has started the node again.

        Raises:
            SimulationError: it has not.
        """
        self._processes[name].send_signal(signal.SIGCONT)
        self.wait_respawned(name)

    def wait_respawned(self, name: str) -> None:
        """Until the supervisor has started the node.

        Raises:
            SimulationError: it has not.
        """
        ends_s = time.monotonic() + _RESPAWN_S
        while self._pid(self._specs[name]) is None:
            if time.monotonic() > ends_s:
                raise SimulationError(f"node {name} was not started again; see {self._folder}")
            time.sleep(_POLL_S)

    def check(self) -> None:
        """Raises when a node ended that nobody has killed.

        Raises:
            SimulationError: names it.
        """
        for name, process in self._processes.items():
            if process.poll() not in (None, -signal.SIGKILL):
                raise SimulationError(
                    f"node {name} ended by itself with {process.returncode}; see"
                    f" {self._folder / name}.log"
                )

    def ended(self) -> tuple[str, ...]:
        """The nodes that do not run."""
        return tuple(name for name, p in self._processes.items() if p.poll() is not None)

    def ticks(self) -> TickLog:
        """What the arm has done since the simulation was started, up to half a second ago."""
        return read_tick_log(self._tick_log)

    def _pid(self, spec: NodeSpec) -> int | None:
        process = self._processes[spec.name]
        if not spec.respawn:
            return process.pid if process.poll() is None else None
        children = _children(process.pid)
        return children[0] if children else None


def _children(parent: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(folder.name))
    return found

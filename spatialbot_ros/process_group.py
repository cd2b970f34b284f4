"""`spatialbot up`: runs the node table without launch_ros, under honcho's process manager.

One process ends, all end, but a node with `respawn` is started again after a crash. SIGINT or
SIGTERM ends all within five seconds, by force if need be.
"""

import json
import os
import shlex
import sys
import threading
from collections.abc import Mapping, Sequence

from honcho.manager import Manager
from honcho.printer import Printer

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.scheduling import schedule_ordinarily
from spatialbot_ros.bringup import NodeSpec, supervisor_command

_ASK_AGAIN_S = 0.1


def node_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of a node: the shipped Fast DDS profile, discovery on this machine only.

    What the user has set stays.
    """
    environment = dict(os.environ if base is None else base)
    environment.setdefault(
        "FASTDDS_DEFAULT_PROFILES_FILE", str(find_resource("config/fastdds.xml"))
    )
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    environment.setdefault("PYTHONUNBUFFERED", "1")
    # numeric libraries would start a thread per core in each of the processes
    environment.setdefault("OMP_NUM_THREADS", "1")
    return environment


def node_command(spec: NodeSpec) -> list[str]:
    """Command line of a node, with its parameters as ROS arguments.

    Raises:
        ConfigurationError: a program of a ROS desktop, which only ROS launch finds.
    """
    if not spec.module:
        raise ConfigurationError(
            f"{spec.name} needs a ROS desktop: start with `ros2 launch spatialbot_ros"
            " pick_place.launch.py`, or choose viewer:=rerun"
        )
    command = list(supervisor_command()) if spec.respawn else []
    command += [sys.executable, "-m", spec.module, *spec.arguments, "--ros-args"]
    command += ["-r", f"__node:={spec.name}", "-r", f"__ns:={spec.namespace}"]
    for name, value in spec.parameters.items():
        # YAML reads a bare 1e3 or an empty text as something else; JSON texts are exact
        command += ["-p", f"{name}:={json.dumps(value)}"]
    return command


class _NodeManager(Manager):  # type: ignore[misc]  # honcho has no types
    """Also ends in order when it is to end before every node has started."""

    def terminate(self) -> None:
        """honcho knows no pid before it has read that a process started, and asks only once."""
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(_ASK_AGAIN_S, self.terminate).start()


def run_nodes(specs: Sequence[NodeSpec]) -> int:
    """Run all nodes until one ends or a signal comes.

    Returns:
        Exit code: that of the first process to end, or 130/143 after a signal.
    """
    # nodes inherit the priority of whoever starts them; only the arm's thread takes more
    schedule_ordinarily()
    manager = _NodeManager(Printer(sys.stdout))
    environment = node_environment()
    for spec in specs:
        manager.add_process(spec.name, "exec " + shlex.join(node_command(spec)), env=environment)
    manager.loop()
    return int(manager.returncode or 0)

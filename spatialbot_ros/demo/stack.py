"""The stack as a child process of the demo: `spatialbot up` with its output in a log file."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from spatialbot_model.contracts.errors import SimulationError

_STOP_TIMEOUT_S = 12.0
_LOG_TAIL_LINES = 15


class Stack:
    """Runs ``spatialbot up pick_place`` while the context is open; leaves no process."""

    def __init__(self, arguments: Mapping[str, str], log_file: Path) -> None:
        self._arguments = dict(arguments)
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Stack":
        command = [sys.executable, "-m", "spatialbot_ros.cli", "up", "pick_place"]
        command += ["--with-parent", str(os.getpid())]
        command += [f"{name}:={value}" for name, value in self._arguments.items()]
        with self._log_file.open("wb") as log:
            # an own session: Ctrl-C in the terminal reaches the demo only, which ends the
            # stack in order after it has saved what there is
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._process = None

    def check(self) -> None:
        """Raise when the stack ended by itself; quotes the end of its log.

        Raises:
            SimulationError: a process of the stack ended.
        """
        if self._process is not None and self._process.poll() is not None:
            lines = self._log_file.read_text(errors="replace").splitlines()
            told = [line for line in lines if "error" in line.lower()] or lines
            tail = "\n  ".join(told[-_LOG_TAIL_LINES:])
            raise SimulationError(
                f"the node stack ended with code {self._process.returncode}:\n  {tail}\n"
                f"The whole log is {self._log_file}"
            )

"""Runs a node again after it has crashed: ``python -m spatialbot_ros.supervisor -- COMMAND``.

`spatialbot up` and the launch file start the nodes of `NodeSpec.respawn` through it, so that both
restart them alike. A crash is a death by a signal, or an error after the node had run for a while;
exit code 1 soon after the start is a user's error, and is not repeated. SIGINT and SIGTERM are
passed on and end it. Standard library only: what watches over a driver must not share its faults.
"""

import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from spatialbot_ros.with_parent import end_with_parent

_POLL_S = 0.1


@dataclass(slots=True)
class RespawnPolicy:
    """Decides whether a process that ended is started again; keeps count. Pure.

    Attributes:
        started_s: exit code 1 within this time is an error of the start; a busy machine may take
            half of it to import a node.
        pause_s: before a start after a crash.
        max_crashes: in `window_s` seconds; one more ends it.
    """

    started_s: float = 60.0
    pause_s: float = 0.5
    max_crashes: int = 5
    window_s: float = 60.0
    _crashes_s: deque[float] = field(default_factory=deque)

    def wants_another(self, exit_code: int, ran_s: float, now_s: float) -> bool:
        """Whether to start again after an end with this code (negative: by a signal)."""
        if exit_code == 0 or (exit_code == 1 and ran_s < self.started_s):
            return False
        self._crashes_s.append(now_s)
        while self._crashes_s[0] < now_s - self.window_s:
            self._crashes_s.popleft()
        return len(self._crashes_s) <= self.max_crashes


class Supervisor:
    """One command, kept running."""

    def __init__(self, command: Sequence[str], policy: RespawnPolicy) -> None:
        self._command = list(command)
        self._policy = policy
        self._process: subprocess.Popen[bytes] | None = None
        self._end_signal = 0

    def run(self) -> int:
        """Until the command ends for good; returns its exit code (128 + N after signal N)."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)
        while True:
            started_s = time.monotonic()
            code = self._run_once()
            now_s = time.monotonic()
            if self._end_signal:
                return max(code, 0)
            if not self._policy.wants_another(code, now_s - started_s, now_s):
                return code if code >= 0 else 128 - code
            how = f"code {code}" if code > 0 else f"signal {-code}"
            sys.stderr.write(f"ended with {how} after {now_s - started_s:.1f} s; started again\n")
            self._rest(now_s + self._policy.pause_s)
            if self._end_signal:
                return 0

    def _run_once(self) -> int:
        # if this process is killed, its child must not live on beside a second one
        self._process = subprocess.Popen(self._command, preexec_fn=_die_with_parent)
        if self._end_signal:
            self._process.send_signal(self._end_signal)
        while True:
            try:
                return self._process.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                continue

    def _rest(self, until_s: float) -> None:
        while time.monotonic() < until_s and not self._end_signal:
            time.sleep(_POLL_S)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self._end_signal = number
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)


def _die_with_parent() -> None:
    end_with_parent(signal.SIGTERM)


def main(arguments: Sequence[str]) -> int:
    """Run the command after ``--``; without one, exit code 2."""
    if len(arguments) < 2 or arguments[0] != "--":
        sys.stderr.write(
            "error: expected -- COMMAND; see `python -m pydoc spatialbot_ros.supervisor`\n"
        )
        return 2
    return Supervisor(arguments[1:], RespawnPolicy()).run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

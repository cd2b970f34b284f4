"""Only the simulated robot, as fast as the machine can, with a log of every millisecond.

``python -m spatialbot_sim.logged_robot ADDRESS LOG [--paced]``. Prints ``ready`` once it serves,
then obeys lines on standard input: ``reflex`` (the robot stops itself and refuses to move until
recovered), ``flush`` (answers ``flushed`` when the log is complete), ``silence`` (ends without a
word, as a cable that is pulled). It ends at the end of its input. For measurements of the arm's
side: there is no camera and nothing lies on the table.
"""

import argparse
import os
import select
import sys
import time
from pathlib import Path

from spatialbot_model.contracts.errors import SpatialBotError
from spatialbot_sim.cell_file import read_cell
from spatialbot_sim.fr3_server import Fr3Server
from spatialbot_sim.tasks import Scene
from spatialbot_sim.tick_log import TickLogWriter

_TICK_S = 0.001
_TICKS_PER_LOOK = 5
_LOCKSTEP_WAIT_S = 0.3
"""Long enough for a busy machine: a command that comes too late would look like a jerk."""

EMPTY_TABLE = Scene(
    task="",
    seed=0,
    instruction="",
    target="",
    destination="",
    objects=(),
    boards=(),
)
"""Nothing to grasp and nothing to run into but the table."""


def main(arguments: list[str] | None = None) -> int:
    """Serve until the input ends; exit code 1 with one line that says what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="loopback address to serve on")
    parser.add_argument("log", type=Path, help="file for the log")
    parser.add_argument("--paced", action="store_true", help="no faster than real time")
    given = parser.parse_args(arguments)
    try:
        return _serve(given.address, given.log, given.paced)
    except SpatialBotError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _serve(address: str, log: Path, paced: bool) -> int:
    server = Fr3Server(read_cell(), EMPTY_TABLE, address, _LOCKSTEP_WAIT_S)
    try:
        server.open()
        _say("ready")
        with TickLogWriter(log) as writer:
            due_s, ticks = time.monotonic(), 0
            while True:
                if ticks % _TICKS_PER_LOOK == 0 and select.select([0], [], [], 0.0)[0]:
                    text = os.read(0, 1000).decode(errors="replace")
                    if not text:
                        return 0
                    for word in text.split():
                        if word == "silence":
                            return 0
                        _obey(word, server, writer)
                server.tick()
                writer.append(server.tick_state())
                ticks += 1
                due_s += _TICK_S
                # at rest there is no reason to hurry, and the client needs the core
                if paced or not server.motion_running:
                    wait_s = due_s - time.monotonic()
                    if wait_s > 0.0:
                        time.sleep(wait_s)
                else:
                    due_s = time.monotonic()
    finally:
        server.close()


def _obey(word: str, server: Fr3Server, writer: TickLogWriter) -> None:
    if word == "flush":
        writer.flush()
        _say("flushed")


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())

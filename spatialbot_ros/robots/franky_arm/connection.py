"""First contact with the robot through franky, and franky's errors as ours."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import franky

from spatialbot_model.contracts.errors import (
    RobotConnectionError,
    RobotError,
    RobotMotionError,
    RobotReflexError,
)

_LOG = logging.getLogger(__name__)

ROBOT_PORT = 1337
GRIPPER_PORT = 1338
REST_TIMEOUT_S = 2.0
_PROBE_TIMEOUT_S = 1.0
_CONNECT_TIMEOUT_S = 5.0
_PLANNER_FAILED = "Motion planner failed"

# by host and port, the newest only
_ATTEMPTS: dict[str, threading.Thread] = {}

T = TypeVar("T")


def probe(address: str) -> None:
    """Fail at once, and in words, where libfranka would wait for its long time-outs."""
    try:
        socket.create_connection((address, ROBOT_PORT), _PROBE_TIMEOUT_S).close()
    except OSError as error:
        raise RobotConnectionError(
            f"no robot answers at {address}:{ROBOT_PORT} ({error}). Check the address"
            " (parameter robot_ip), the cable, that the robot is on, its joints are unlocked and"
            " FCI is enabled in Desk; in simulation, that the simulated lab runs at this address"
        ) from error


def within(make: Callable[[], T], where: str) -> T:
    """Run a constructor that may block for long; give up after `_CONNECT_TIMEOUT_S`.

    An attempt that was given up may go on for ever in its thread. There is no other to the same
    place before it has ended: they would pile up, and fight for the robot once it is free.
    """
    earlier = _ATTEMPTS.get(where)
    if earlier is not None:
        earlier.join(_CONNECT_TIMEOUT_S)
        if earlier.is_alive():
            raise _no_answer(where)
    made: list[T] = []
    failed: list[BaseException] = []
    lock, given_up = threading.Lock(), threading.Event()

    def run() -> None:
        try:
            result = make()
        except BaseException as error:
            failed.append(error)
            return
        with lock:
            # dropped here, a connection that comes too late is closed again
            if not given_up.is_set():
                made.append(result)

    thread = threading.Thread(target=run, name="franky-connect", daemon=True)
    _ATTEMPTS[where] = thread
    thread.start()
    thread.join(_CONNECT_TIMEOUT_S)
    with lock:
        given_up.set()
    if failed:
        raise failed[0]
    if not made:
        raise _no_answer(where)
    return made[0]


def _no_answer(where: str) -> RobotConnectionError:
    return RobotConnectionError(
        f"{where} accepts connections but does not answer within {_CONNECT_TIMEOUT_S} s; is"
        " another program controlling this robot?"
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Everything that franky raises becomes one of our errors."""
    try:
        yield
    except RobotError:
        raise
    except franky.NetworkException as error:
        raise RobotConnectionError(f"connection lost while {doing}: {error}") from error
    except (franky.ControlException, franky.CommandException) as error:
        raise RobotReflexError(f"the robot refused or stopped while {doing}: {error}") from error
    except Exception as error:
        # franky also raises plain RuntimeError and types outside its own exception tree
        if _PLANNER_FAILED in str(error):
            raise RobotMotionError(f"the motion ended while {doing}: {error}") from error
        raise RobotError(f"{type(error).__name__} while {doing}: {error}") from error


def join_quietly(robot: Any) -> None:
    """Wait for the end of a motion; how it ended does not count any more."""
    try:
        robot.join_motion(REST_TIMEOUT_S)
    except Exception:
        _LOG.info("the last motion ended with an error", exc_info=True)

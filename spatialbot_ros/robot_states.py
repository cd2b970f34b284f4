"""The newest states of the robot, kept until the frames that they belong to arrive. Thread-safe.

Executor and gripper states come each on their own topic, one of both per control cycle.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from spatialbot_model.contracts.message_fields import stamp_ns_of
from spatialbot_model.contracts.robot_states import robot_state_of, state_before, state_of_frame
from spatialbot_model.contracts.types import RobotState

_MAX_KEPT = 256
"""Five seconds of a robot at 50 Hz; a frame is older than that only when something is broken."""


@dataclass(slots=True)
class _Track:
    """Messages of one topic, oldest first."""

    stamps_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_MAX_KEPT))
    messages: deque[Any] = field(default_factory=lambda: deque(maxlen=_MAX_KEPT))

    def add(self, message: Any) -> None:
        stamp_ns = stamp_ns_of(message.header.stamp)
        if self.stamps_ns and stamp_ns < self.stamps_ns[-1]:
            # the clock was set back: what is known belongs to another run
            self.stamps_ns.clear()
            self.messages.clear()
        if self.stamps_ns and stamp_ns == self.stamps_ns[-1]:
            # a cycle that acknowledges an action repeats a stamp of simulated time
            self.messages[-1] = message
            return
        self.stamps_ns.append(stamp_ns)
        self.messages.append(message)

    def at(self, frame_ns: int) -> tuple[Any, Any] | None:
        """The message at a frame, and the one to compare it with or None."""
        number = state_of_frame(self.stamps_ns, frame_ns)
        if number is None:
            return None
        before = state_before(self.stamps_ns, number)
        return self.messages[number], None if before is None else self.messages[before]


class RobotStates:
    """Collects what the executor publishes; hands out the state at a frame."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor, self._grippers = _Track(), _Track()

    def add_executor(self, message: Any) -> None:
        """An ExecutorState."""
        with self._lock:
            self._executor.add(message)

    def add_gripper(self, message: Any) -> None:
        """A GripperState."""
        with self._lock:
            self._grippers.add(message)

    def at(self, frame_ns: int) -> RobotState | None:
        """What `state_of_frame` says of what has arrived; never waits.

        Raises:
            ConfigurationError: it is no pose.
        """
        with self._lock:
            executor, gripper = self._executor.at(frame_ns), self._grippers.at(frame_ns)
        if executor is None or gripper is None:
            return None
        return robot_state_of(executor[0], *gripper)

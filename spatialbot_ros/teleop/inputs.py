"""What a hand device tells, and the port that every device implements."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

AXIS_NAMES = ("x", "y", "z", "roll", "pitch", "yaw")
"""As the person sees them: x away, y to the left, z up; rotations about the same axes."""

NUM_AXES = len(AXIS_NAMES)


class Button(Enum):
    """What a person may ask for with one press; the value is the text of the help."""

    GRIPPER = "open / close gripper"
    FASTER = "faster"
    SLOWER = "slower"
    STOP = "STOP (latches)"
    RESUME = "resume after a stop"
    RECOVER = "recover from a fault"
    HOME = "move home"
    EPISODE_START = "start an episode"
    EPISODE_SUCCESS = "end it: success"
    EPISODE_FAILURE = "end it: failure"
    EPISODE_END = "end it without a label"
    EPISODE_DISCARD = "discard it"
    EPISODE_AGAIN = "discard, start again"


@dataclass(frozen=True, slots=True)
class DeviceInput:
    """One reading.

    Attributes:
        axes: (6,) deflections in -1..1 in the order of `AXIS_NAMES`.
        deadman: whether the dead-man switch is held; without it nothing may move.
        buttons: pressed since the last reading, in order.
    """

    axes: tuple[float, ...] = (0.0,) * NUM_AXES
    deadman: bool = False
    buttons: tuple[Button, ...] = ()


class TeleopDevice(Protocol):
    """A keyboard, gamepad or SpaceMouse. Making one opens nothing; used from one thread."""

    @property
    def name(self) -> str:
        """What is connected, or what is looked for."""
        ...

    @property
    def help(self) -> tuple[tuple[str, str], ...]:
        """Pairs of control and meaning, in the order in which people are shown them."""
        ...

    def connect(self) -> None:
        """Open the device.

        Raises:
            TeleopDeviceError: it is not there or cannot be used; says what to do.
            MissingDependencyError: its Python package or system library is not installed.
        """
        ...

    def poll(self, now_s: float) -> DeviceInput:
        """Newest reading; never waits. `now_s` is monotonic time.

        Raises:
            TeleopDeviceError: it is not connected, or was unplugged; `connect` may be tried again.
        """
        ...

    def close(self) -> None:
        """Release the device; allowed at any time, more than once."""
        ...

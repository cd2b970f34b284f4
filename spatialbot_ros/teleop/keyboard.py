"""The keyboard of a terminal, also through SSH.

A terminal tells presses and repeats but no releases. So a key counts as held for a short window
after each press or repeat, and letting go of it stops the arm when the window is over.
"""

import os
import select
import sys
import termios
from typing import Any

from spatialbot_model.contracts.errors import TeleopDeviceError
from spatialbot_ros.teleop.inputs import NUM_AXES, Button, DeviceInput
from spatialbot_ros.teleop.keys import (
    BUTTON_HELP,
    BUTTON_KEYS,
    MOTION_HELP,
    MOTION_KEYS,
    Motion,
    decode_keys,
)

_READ_BYTES = 1024
_LOCAL_FLAGS = 3
_INPUT_FLAGS = 0
_CONTROL_CHARS = 6


class KeyboardDevice:
    """Keys of a terminal.

    Args:
        window_s: how long a key counts as held after each press or repeat.
        terminal: file descriptor of the terminal; standard input when None.
        motion: False for a keyboard that only presses buttons, beside another device.
    """

    def __init__(
        self, window_s: float = 0.15, terminal: int | None = None, *, motion: bool = True
    ) -> None:
        self._window_s = window_s
        self._given_fd = terminal
        self._motion = motion
        self._fd = -1
        self._saved: list[Any] | None = None
        self._held: dict[Motion, float] = {}
        self._gripper_s = float("-inf")

    @property
    def name(self) -> str:
        """See `TeleopDevice.name`."""
        return "keyboard"

    @property
    def help(self) -> tuple[tuple[str, str], ...]:
        """See `TeleopDevice.help`."""
        return (MOTION_HELP if self._motion else ()) + BUTTON_HELP

    def connect(self) -> None:
        """Switch the terminal to single keys without echo; `close` switches it back."""
        self.close()
        fd = sys.stdin.fileno() if self._given_fd is None else self._given_fd
        if not os.isatty(fd):
            raise TeleopDeviceError(
                "the keyboard needs a terminal, but standard input is none; run `spatialbot"
                " teleop` in a terminal of its own, or choose a gamepad or a SpaceMouse"
            )
        try:
            self._saved = termios.tcgetattr(fd)
            changed = termios.tcgetattr(fd)
            changed[_LOCAL_FLAGS] &= ~(termios.ICANON | termios.ECHO)
            # Ctrl-S would freeze the screen and with it the arm's operator
            changed[_INPUT_FLAGS] &= ~(termios.IXON | termios.ICRNL)
            changed[_CONTROL_CHARS][termios.VMIN] = 0
            changed[_CONTROL_CHARS][termios.VTIME] = 0
            # what was typed before is not meant for the arm
            termios.tcsetattr(fd, termios.TCSAFLUSH, changed)
        except termios.error as error:
            self._saved = None
            raise TeleopDeviceError(f"the terminal cannot be used: {error}") from error
        self._fd = fd

    def poll(self, now_s: float) -> DeviceInput:
        """See `TeleopDevice.poll`."""
        buttons: list[Button] = []
        for key in decode_keys(self._read()):
            button, motion = BUTTON_KEYS.get(key), MOTION_KEYS.get(key)
            if motion is not None and self._motion:
                # of two opposite keys the newer counts
                self._held.pop(Motion(motion.axis, -motion.sign), None)
                self._held[motion] = now_s
            elif button is Button.GRIPPER:
                if self._motion:
                    self._gripper_s = now_s
                    buttons.append(button)
            elif button is not None:
                buttons.append(button)
        self._held = {m: s for m, s in self._held.items() if now_s - s <= self._window_s}
        axes = [0.0] * NUM_AXES
        for motion in self._held:
            axes[motion.axis] = motion.sign
        # the gripper key moves fingers only: it is its own dead-man switch
        deadman = bool(self._held) or now_s - self._gripper_s <= self._window_s
        return DeviceInput(tuple(axes), deadman, tuple(buttons))

    def close(self) -> None:
        """Give the terminal back as it was."""
        saved, self._saved = self._saved, None
        fd, self._fd = self._fd, -1
        self._held.clear()
        self._gripper_s = float("-inf")
        if saved is None:
            return
        try:
            termios.tcsetattr(fd, termios.TCSANOW, saved)
        except (termios.error, OSError):
            # the terminal is gone, and nothing can be given back to it
            return

    def _read(self) -> bytes:
        if self._fd < 0:
            raise TeleopDeviceError("the keyboard is not connected; call connect first")
        try:
            waiting = select.poll()
            waiting.register(self._fd, select.POLLIN)
            events = dict(waiting.poll(0)).get(self._fd, 0)
            if events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                raise TeleopDeviceError("the terminal of the keyboard was closed")
            return os.read(self._fd, _READ_BYTES) if events else b""
        except OSError as error:
            raise TeleopDeviceError(f"the keyboard's terminal is gone: {error}") from error

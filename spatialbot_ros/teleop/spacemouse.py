"""A 3Dconnexion SpaceMouse through pyspacemouse; this is the only module that imports it."""

import contextlib
import io
from collections.abc import Callable
from typing import Any

from spatialbot_model.contracts.errors import MissingDependencyError, TeleopDeviceError
from spatialbot_ros.teleop.inputs import NUM_AXES, Button, DeviceInput

_DEAD_ZONE = 0.08
_MAX_REPORTS = 64
_DEADMAN, _GRIPPER = 0, 1

_HELP = (
    ("left button, held", "dead-man switch"),
    ("cap: push, pull, lift", "move in that direction"),
    ("cap: tilt, twist", "turn about that axis"),
    ("right button", Button.GRIPPER.value),
)


def _open_mouse() -> Any:
    try:
        import pyspacemouse
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"a SpaceMouse needs the Python package pyspacemouse ({error}). Install it: pip"
            " install 'pyspacemouse>=2.1', and the system library libhidapi-hidraw0"
        ) from error
    try:
        # it prints what it found, into the middle of our screen
        with contextlib.redirect_stdout(io.StringIO()):
            return pyspacemouse.open(axis_convention=pyspacemouse.AxisConvention.ROS)
    except AttributeError as error:
        raise MissingDependencyError(
            "pyspacemouse cannot be used: it needs version 2.1 or newer and the system library"
            f" libhidapi-hidraw0 ({error})"
        ) from error


class SpaceMouseDevice:
    """One SpaceMouse.

    Args:
        open_mouse: opens it (a `pyspacemouse.SpaceMouseDevice`); pyspacemouse's own when None.
    """

    def __init__(self, open_mouse: Callable[[], Any] | None = None) -> None:
        self._open_mouse = _open_mouse if open_mouse is None else open_mouse
        self._mouse: Any = None
        self._gripper_down = False

    @property
    def name(self) -> str:
        """See `TeleopDevice.name`."""
        return str(self._mouse.name) if self._mouse is not None else "SpaceMouse"

    @property
    def help(self) -> tuple[tuple[str, str], ...]:
        """See `TeleopDevice.help`."""
        return _HELP

    def connect(self) -> None:
        """See `TeleopDevice.connect`."""
        self.close()
        try:
            self._mouse = self._open_mouse()
        except MissingDependencyError:
            raise
        except Exception as error:
            raise TeleopDeviceError(
                f"no SpaceMouse can be opened: {error}. Plug one in; reading /dev/hidraw* needs a"
                " udev rule for vendor 256f (or 046d)"
            ) from error

    def poll(self, now_s: float) -> DeviceInput:
        """See `TeleopDevice.poll`."""
        if self._mouse is None:
            raise TeleopDeviceError("the SpaceMouse is not connected; call connect first")
        pressed: list[Button] = []
        try:
            newest_s = None
            for _ in range(_MAX_REPORTS):
                # each read takes one report; an unchanged time means that there is no more
                state = self._mouse.read()
                if state.t == newest_s:
                    break
                newest_s = state.t
                down = bool(state.buttons[_GRIPPER])
                if down and not self._gripper_down:
                    pressed.append(Button.GRIPPER)
                self._gripper_down = down
        except Exception as error:
            # the HID layer has exceptions of its own, all of which mean that it is gone
            self.close()
            raise TeleopDeviceError(
                f"the SpaceMouse was unplugged ({error}); plug it in again"
            ) from error
        axes = (state.x, state.y, state.z, state.roll, state.pitch, state.yaw)
        assert len(axes) == NUM_AXES
        return DeviceInput(
            tuple(_beyond_dead_zone(float(v)) for v in axes),
            bool(state.buttons[_DEADMAN]),
            tuple(pressed),
        )

    def close(self) -> None:
        """See `TeleopDevice.close`."""
        mouse, self._mouse = self._mouse, None
        self._gripper_down = False
        if mouse is not None:
            # closing what was unplugged may fail in the HID layer; it is closed all the same
            with contextlib.suppress(Exception):
                mouse.close()


def _beyond_dead_zone(deflection: float) -> float:
    beyond = max(0.0, abs(deflection) - _DEAD_ZONE) / (1.0 - _DEAD_ZONE)
    return beyond if deflection > 0.0 else -beyond

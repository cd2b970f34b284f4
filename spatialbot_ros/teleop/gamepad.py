"""A gamepad through Linux evdev: two sticks, shoulder buttons, directional pad.

Written for the layout that the kernel gives to all common pads (ABS_X, ABS_RX, BTN_SOUTH, ..).
This is the only module that imports evdev.
"""

from collections.abc import Callable, Sequence
from typing import Any

from spatialbot_model.contracts.errors import MissingDependencyError, TeleopDeviceError
from spatialbot_ros.teleop.inputs import Button, DeviceInput

_DEAD_ZONE = 0.12

_HELP = (
    ("RB, held", "dead-man switch"),
    ("left stick", "away back left right"),
    ("right stick", "up, down; turn (yaw)"),
    ("LB, held", "stick: roll, pitch"),
    ("A", Button.GRIPPER.value),
    ("B", Button.STOP.value),
    ("Select / Back", Button.RESUME.value),
    ("Mode / Guide", Button.RECOVER.value),
    ("stick, pressed", Button.HOME.value),
    ("pad up, down", "faster / slower"),
    ("Start", Button.EPISODE_START.value),
    ("Y", Button.EPISODE_SUCCESS.value),
    ("X", Button.EPISODE_FAILURE.value),
    ("pad left", Button.EPISODE_DISCARD.value),
    ("pad right", Button.EPISODE_AGAIN.value),
)


def _load_evdev() -> Any:
    try:
        import evdev
    except ImportError as error:
        raise MissingDependencyError(
            f"a gamepad needs the Python package evdev ({error}). Install it: pip install evdev"
            " (or the Debian package python3-evdev)"
        ) from error
    return evdev


class GamepadDevice:
    """One gamepad.

    Args:
        path: of the input device, "" for the first gamepad there is.
        list_paths: names the input devices; evdev's own when None.
        open_path: opens one (an `evdev.InputDevice`); evdev's own when None.
    """

    def __init__(
        self,
        path: str = "",
        list_paths: Callable[[], Sequence[str]] | None = None,
        open_path: Callable[[str], Any] | None = None,
    ) -> None:
        self._path = path
        self._list_paths = list_paths
        self._open_path = open_path
        self._device: Any = None
        self._codes: Any = None
        self._ranges: dict[int, tuple[float, float]] = {}
        self._values: dict[int, float] = {}
        self._keys: set[int] = set()

    @property
    def name(self) -> str:
        """See `TeleopDevice.name`."""
        return str(self._device.name) if self._device is not None else "gamepad"

    @property
    def help(self) -> tuple[tuple[str, str], ...]:
        """See `TeleopDevice.help`."""
        return _HELP

    def connect(self) -> None:
        """See `TeleopDevice.connect`."""
        self.close()
        evdev = _load_evdev()
        self._codes = evdev.ecodes
        list_paths = self._list_paths or evdev.list_devices
        open_path = self._open_path or evdev.InputDevice
        seen: list[str] = []
        for path in [self._path] if self._path else sorted(list_paths()):
            try:
                device = open_path(path)
            except OSError as error:
                seen.append(f"{path} ({error.strerror or error})")
                continue
            if self._is_gamepad(device):
                self._use(device)
                return
            seen.append(f"{path} ({device.name}, no gamepad)")
            device.close()
        raise TeleopDeviceError(
            f"no gamepad found; input devices that were tried: {', '.join(seen) or 'none'}. Plug"
            " one in; reading /dev/input needs membership in the group `input`"
        )

    def poll(self, now_s: float) -> DeviceInput:
        """See `TeleopDevice.poll`."""
        if self._device is None:
            raise TeleopDeviceError("the gamepad is not connected; call connect first")
        buttons: list[Button] = []
        try:
            for event in self._device.read():
                self._take(event, buttons)
        except BlockingIOError:
            # nothing new: what was held still is
            pass
        except OSError as error:
            name = self.name
            self.close()
            raise TeleopDeviceError(
                f"the gamepad {name!r} was unplugged ({error.strerror or error}); plug it in again"
            ) from error
        return DeviceInput(self._axes(), self._codes.BTN_TR in self._keys, tuple(buttons))

    def close(self) -> None:
        """See `TeleopDevice.close`."""
        device, self._device = self._device, None
        self._values.clear()
        self._keys.clear()
        if device is not None:
            try:
                device.close()
            except OSError:
                # it was unplugged
                return

    def _is_gamepad(self, device: Any) -> bool:
        codes = self._codes
        there = device.capabilities(absinfo=False)
        keys, axes = set(there.get(codes.EV_KEY, ())), set(there.get(codes.EV_ABS, ()))
        return {codes.BTN_SOUTH, codes.BTN_TR} <= keys and {codes.ABS_X, codes.ABS_Y} <= axes

    def _use(self, device: Any) -> None:
        self._device = device
        self._ranges = {
            code: (float(info.min), float(info.max))
            for code, info in device.capabilities(absinfo=True)[self._codes.EV_ABS]
        }
        self._read_whole_state()

    def _read_whole_state(self) -> None:
        device = self._device
        self._keys = set(device.active_keys())
        self._values = {
            code: self._scaled(code, device.absinfo(code).value) for code in self._ranges
        }

    def _take(self, event: Any, buttons: list[Button]) -> None:
        codes = self._codes
        if event.type == codes.EV_SYN and event.code == codes.SYN_DROPPED:
            # the kernel's queue ran over: releases may be among what was lost
            self._read_whole_state()
        elif event.type == codes.EV_ABS and event.code in self._ranges:
            before = self._values.get(event.code, 0.0)
            now = self._values[event.code] = self._scaled(event.code, event.value)
            button = self._pad_button(event.code, now)
            if button is not None and round(before) != round(now):
                buttons.append(button)
        elif event.type == codes.EV_KEY:
            if event.value == 0:
                self._keys.discard(event.code)
            elif event.code not in self._keys:
                self._keys.add(event.code)
                button = self._key_button(event.code)
                if button is not None:
                    buttons.append(button)

    def _axes(self) -> tuple[float, ...]:
        codes = self._codes

        def value(code: int) -> float:
            deflection = self._values.get(code, 0.0)
            beyond = max(0.0, abs(deflection) - _DEAD_ZONE) / (1.0 - _DEAD_ZONE)
            return beyond if deflection > 0.0 else -beyond

        away, left = -value(codes.ABS_Y), -value(codes.ABS_X)
        up, turn = -value(codes.ABS_RY), -value(codes.ABS_RX)
        if codes.BTN_TL in self._keys:
            # tilting the stick to the left tips the tool to the left, away tips it away
            return (0.0, 0.0, up, -left, away, turn)
        return (away, left, up, 0.0, 0.0, turn)

    def _scaled(self, code: int, raw: float) -> float:
        low, high = self._ranges[code]
        return 2.0 * (raw - low) / (high - low) - 1.0 if high > low else 0.0

    def _key_button(self, code: int) -> Button | None:
        codes = self._codes
        found: Button | None = {
            codes.BTN_SOUTH: Button.GRIPPER,
            codes.BTN_EAST: Button.STOP,
            codes.BTN_SELECT: Button.RESUME,
            codes.BTN_MODE: Button.RECOVER,
            codes.BTN_THUMBL: Button.HOME,
            codes.BTN_START: Button.EPISODE_START,
            codes.BTN_Y: Button.EPISODE_SUCCESS,
            codes.BTN_X: Button.EPISODE_FAILURE,
        }.get(code)
        return found

    def _pad_button(self, code: int, value: float) -> Button | None:
        codes = self._codes
        if code == codes.ABS_HAT0Y and abs(value) > 0.5:
            return Button.FASTER if value < 0.0 else Button.SLOWER
        if code == codes.ABS_HAT0X and abs(value) > 0.5:
            return Button.EPISODE_DISCARD if value < 0.0 else Button.EPISODE_AGAIN
        return None

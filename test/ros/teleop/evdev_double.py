"""Test doubles of hand devices; the gamepad feeds real evdev with the kernel's bytes."""

import os
import struct
from types import SimpleNamespace

import evdev
from evdev import AbsInfo, ecodes

_STICKS = (ecodes.ABS_X, ecodes.ABS_Y, ecodes.ABS_RX, ecodes.ABS_RY)
_HATS = (ecodes.ABS_HAT0X, ecodes.ABS_HAT0Y)
_KEYS = (
    *(ecodes.BTN_SOUTH, ecodes.BTN_EAST, ecodes.BTN_X, ecodes.BTN_Y, ecodes.BTN_TL),
    *(ecodes.BTN_TR, ecodes.BTN_SELECT, ecodes.BTN_START, ecodes.BTN_MODE, ecodes.BTN_THUMBL),
)


class PadDouble(evdev.eventio.EventIO):
    """Test double of a pad: `read` is evdev's own, on a pipe that carries `input_event` structs.

    `state` is what the kernel would answer about keys and axes.
    """

    name, path = "Test Pad", "/dev/input/event7"

    def __init__(self):
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        self.keys_down = set()
        self.axes = dict.fromkeys((*_STICKS, *_HATS), 0)

    def send(self, kind, code, value):
        if kind == ecodes.EV_KEY:
            (self.keys_down.add if value else self.keys_down.discard)(code)
        elif kind == ecodes.EV_ABS:
            self.axes[code] = value
        self.send_raw(kind, code, value)

    def send_raw(self, kind, code, value):
        os.write(self._write_fd, struct.pack("llHHi", 1, 2, kind, code, value))
        os.write(self._write_fd, struct.pack("llHHi", 1, 2, ecodes.EV_SYN, ecodes.SYN_REPORT, 0))

    def unplug(self):
        """The kernel then fails every read with ENODEV; a closed descriptor fails likewise."""
        os.close(self.fd)

    def capabilities(self, absinfo=True):
        def info(code):
            return AbsInfo(0, -1, 1, 0, 0, 0) if code in _HATS else AbsInfo(0, -500, 500, 0, 0, 0)

        axes = [(code, info(code)) if absinfo else code for code in self.axes]
        return {ecodes.EV_KEY: list(_KEYS), ecodes.EV_ABS: axes}

    def active_keys(self):
        return sorted(self.keys_down)

    def absinfo(self, code):
        return AbsInfo(self.axes[code], -500, 500, 0, 0, 0)

    def close(self):
        for fd in (self.fd, self._write_fd):
            try:
                os.close(fd)
            except OSError:
                continue


class NoPad:
    """Test double of an input device that is no gamepad."""

    name = "Test Mouse"

    def capabilities(self, absinfo=True):
        return {ecodes.EV_KEY: [ecodes.BTN_LEFT]}

    def close(self): ...


class MouseDouble:
    """Test double of `pyspacemouse.SpaceMouseDevice`: one queued report a read."""

    name = "Test SpaceMouse"

    def __init__(self):
        self.reports = []
        self.gone = False
        self.num_reads = 0
        self._state = SimpleNamespace(
            t=-1.0, x=0.0, y=0.0, z=0.0, roll=0.0, pitch=0.0, yaw=0.0, buttons=[0, 0]
        )

    def send(self, **changes):
        self.reports.append(changes)

    def read(self):
        if self.gone:
            raise RuntimeError("Failed to read from HID device: -1")
        if self.reports:
            vars(self._state).update(self.reports.pop(0), t=self._state.t + 1.0)
        return self._state

    def close(self): ...

"""What is particular to each hand device, and what is missing on a machine."""

import builtins
import os
import pty
import select
import sys
import termios
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from spatialbot_model.contracts.errors import MissingDependencyError, TeleopDeviceError
from spatialbot_ros.teleop.gamepad import GamepadDevice
from spatialbot_ros.teleop.inputs import Button, DeviceInput
from spatialbot_ros.teleop.keyboard import KeyboardDevice
from spatialbot_ros.teleop.spacemouse import SpaceMouseDevice


@pytest.fixture
def terminal():
    master, slave = pty.openpty()
    yield master, slave
    for fd in (master, slave):
        os.close(fd)


def test_a_key_counts_for_its_window_and_repeats_prolong_it(terminal) -> None:
    master, slave = terminal
    keyboard = KeyboardDevice(0.15, slave)
    keyboard.connect()
    now_s = 5.0
    for _ in range(10):
        os.write(master, b"d")
        assert keyboard.poll(now_s).axes[1] == -1.0
        now_s += 0.1
    assert keyboard.poll(now_s + 0.04).deadman
    assert not keyboard.poll(now_s + 0.06).deadman
    keyboard.close()


def test_the_newer_of_two_opposite_keys_counts_and_others_add_up(terminal) -> None:
    master, slave = terminal
    keyboard = KeyboardDevice(0.15, slave)
    keyboard.connect()
    os.write(master, b"wrs")
    assert keyboard.poll(0.0).axes == (-1.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    keyboard.close()


def test_what_was_typed_before_moves_nothing_and_modes_are_given_back(terminal) -> None:
    master, slave = terminal
    before = termios.tcgetattr(slave)
    os.write(master, b"wwww\n")
    # the kernel takes it over in a thread of its own
    assert select.select([slave], [], [], 10.0)[0]
    keyboard = KeyboardDevice(0.15, slave)
    keyboard.connect()
    assert keyboard.poll(0.0) == DeviceInput()
    modes = termios.tcgetattr(slave)
    assert not modes[3] & (termios.ECHO | termios.ICANON) and modes[3] & termios.ISIG
    keyboard.close()
    assert termios.tcgetattr(slave) == before


def test_a_keyboard_beside_another_device_presses_buttons_only(terminal) -> None:
    master, slave = terminal
    keyboard = KeyboardDevice(0.15, slave, motion=False)
    keyboard.connect()
    os.write(master, b"wg b")
    reading = keyboard.poll(0.0)
    assert not reading.deadman and not any(reading.axes)
    assert reading.buttons == (Button.STOP, Button.EPISODE_START)
    keyboard.close()


def test_a_pipe_is_no_keyboard() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(TeleopDeviceError, match="needs a terminal"):
            KeyboardDevice(0.15, read).connect()
    finally:
        os.close(read)
        os.close(write)


@pytest.fixture
def pad():
    pytest.importorskip("evdev", reason="the gamepad needs the `teleop` extra")
    from evdev_double import PadDouble

    double = PadDouble()
    device = GamepadDevice(list_paths=lambda: [double.path], open_path=lambda path: double)
    device.connect()
    yield device, double
    device.close()


def test_sticks_have_a_dead_zone_and_no_jump_behind_it(pad) -> None:
    from evdev import ecodes as e

    device, double = pad
    for raw, expected in ((55, 0.0), (62, 0.0045), (280, 0.5), (500, 1.0)):
        double.send(e.EV_ABS, e.ABS_Y, raw)
        assert device.poll(0.0).axes[0] == pytest.approx(-expected, abs=1e-3)


def test_the_left_shoulder_turns_the_left_stick_into_rotations(pad) -> None:
    from evdev import ecodes as e

    device, double = pad
    double.send(e.EV_ABS, e.ABS_X, -500)
    double.send(e.EV_ABS, e.ABS_RX, 500)
    assert device.poll(0.0).axes == pytest.approx((0, 1, 0, 0, 0, -1))
    double.send(e.EV_KEY, e.BTN_TL, 1)
    assert device.poll(0.0).axes == pytest.approx((0, 0, 0, -1, 0, -1))


def test_pad_buttons_are_told_once_per_press(pad) -> None:
    from evdev import ecodes as e

    device, double = pad
    pressed = []
    for code in (e.BTN_EAST, e.BTN_START, e.BTN_Y, e.BTN_X):
        for value in (1, 2, 0):
            double.send(e.EV_KEY, code, value)
        pressed += device.poll(0.0).buttons
    for code, value in ((e.ABS_HAT0Y, -1), (e.ABS_HAT0Y, 0), (e.ABS_HAT0X, 1), (e.ABS_HAT0X, 0)):
        double.send(e.EV_ABS, code, value)
    pressed += device.poll(0.0).buttons
    assert pressed == [
        Button.STOP,
        Button.EPISODE_START,
        Button.EPISODE_SUCCESS,
        Button.EPISODE_FAILURE,
        Button.FASTER,
        Button.EPISODE_AGAIN,
    ]


def test_a_release_that_the_kernel_dropped_is_found(pad) -> None:
    from evdev import ecodes as e

    device, double = pad
    double.send(e.EV_KEY, e.BTN_TR, 1)
    double.send(e.EV_ABS, e.ABS_Y, -500)
    assert device.poll(0.0).deadman
    double.keys_down.clear()
    double.axes[e.ABS_Y] = 0
    double.send_raw(e.EV_SYN, e.SYN_DROPPED, 0)
    reading = device.poll(0.0)
    assert not reading.deadman and not any(reading.axes)


def test_without_a_gamepad_everything_that_was_tried_is_listed() -> None:
    pytest.importorskip("evdev")
    from evdev_double import NoPad

    def open_path(path: str) -> object:
        if path.endswith("9"):
            raise PermissionError(13, "Permission denied")
        return NoPad()

    device = GamepadDevice(list_paths=lambda: ["event3", "event9"], open_path=open_path)
    with pytest.raises(TeleopDeviceError) as caught:
        device.connect()
    text = str(caught.value)
    assert "event3 (Test Mouse, no gamepad), event9 (Permission denied)" in text
    assert "group `input`" in text


def test_all_waiting_reports_of_a_spacemouse_are_read() -> None:
    pytest.importorskip("evdev")
    from evdev_double import MouseDouble

    mouse = MouseDouble()
    device = SpaceMouseDevice(lambda: mouse)
    device.connect()
    for step in range(20):
        mouse.send(z=step / 20.0, buttons=[1, step % 2])
    mouse.send(yaw=-0.04)
    reading = device.poll(0.0)
    assert mouse.reports == []
    assert reading.axes == pytest.approx((0, 0, (0.95 - 0.08) / 0.92, 0, 0, 0))
    assert reading.buttons == (Button.GRIPPER,) * 10


@pytest.mark.parametrize(
    ("device", "package"),
    [(GamepadDevice(), "evdev"), (SpaceMouseDevice(), "pyspacemouse")],
)
def test_a_missing_package_is_named(device, package: str, monkeypatch) -> None:
    real_import = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name == package:
            raise ImportError(f"No module named {name!r}")
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(MissingDependencyError, match=f"pip install '?{package}"):
        device.connect()

"""What every hand device of the registry promises (`inputs.TeleopDevice`), on test doubles."""

import os
import pty
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from spatialbot_model.contracts.errors import TeleopDeviceError, UnknownNameError
from spatialbot_ros.teleop.core import TeleopCore
from spatialbot_ros.teleop.gamepad import GamepadDevice
from spatialbot_ros.teleop.hand import Hand
from spatialbot_ros.teleop.inputs import Button, DeviceInput, TeleopDevice
from spatialbot_ros.teleop.keyboard import KeyboardDevice
from spatialbot_ros.teleop.registry import DEVICES, DeviceSettings, make_device
from spatialbot_ros.teleop.spacemouse import SpaceMouseDevice


@dataclass
class Harness:
    """A device and the hands on it; `push` means away with the switch held."""

    device: TeleopDevice
    push: Callable[[], None]
    let_go: Callable[[], None]
    press_gripper: Callable[[], None]
    unplug: Callable[[], None]
    plug_in: Callable[[], None]
    # when a key that was let go counts as released
    later_s: float = 0.0


def keyboard() -> Harness:
    fds: list[int] = []
    device = KeyboardDevice(window_s=0.15)

    def plug_in() -> None:
        fds[:] = pty.openpty()
        device._given_fd = fds[1]

    plug_in()
    return Harness(
        device,
        push=lambda: os.write(fds[0], b"w") and None,
        let_go=lambda: None,
        press_gripper=lambda: os.write(fds[0], b"g") and None,
        unplug=lambda: os.close(fds[0]),
        plug_in=plug_in,
        later_s=0.2,
    )


def gamepad() -> Harness:
    pytest.importorskip("evdev", reason="the gamepad needs the `teleop` extra")
    from evdev import ecodes as e
    from evdev_double import NoPad, PadDouble

    paths = {"/dev/input/event3": NoPad, "/dev/input/event7": PadDouble}
    pads: list[PadDouble] = []

    def open_path(path: str) -> object:
        if path not in paths:
            raise FileNotFoundError(2, "No such file or directory", path)
        opened = paths[path]()
        if isinstance(opened, PadDouble):
            pads.append(opened)
        return opened

    def push() -> None:
        pads[-1].send(e.EV_KEY, e.BTN_TR, 1)
        pads[-1].send(e.EV_ABS, e.ABS_Y, -500)

    def let_go() -> None:
        pads[-1].send(e.EV_KEY, e.BTN_TR, 0)
        pads[-1].send(e.EV_ABS, e.ABS_Y, 0)

    def unplug() -> None:
        pads[-1].unplug()
        del paths["/dev/input/event7"]

    return Harness(
        GamepadDevice(list_paths=lambda: list(paths), open_path=open_path),
        push=push,
        let_go=let_go,
        press_gripper=lambda: pads[-1].send(e.EV_KEY, e.BTN_SOUTH, 1),
        unplug=unplug,
        plug_in=lambda: paths.update({"/dev/input/event7": PadDouble}),
    )


def spacemouse() -> Harness:
    pytest.importorskip("evdev")
    from evdev_double import MouseDouble

    mice = [MouseDouble()]

    def open_mouse() -> object:
        if mice[-1].gone:
            raise RuntimeError("No connected or supported devices found.")
        return mice[-1]

    return Harness(
        SpaceMouseDevice(open_mouse),
        push=lambda: mice[-1].send(x=1.0, buttons=[1, 0]),
        let_go=lambda: mice[-1].send(x=0.0, buttons=[0, 0]),
        press_gripper=lambda: mice[-1].send(buttons=[1, 1]),
        unplug=lambda: setattr(mice[-1], "gone", True),
        plug_in=lambda: mice.append(MouseDouble()),
    )


HARNESSES = {"keyboard": keyboard, "gamepad": gamepad, "spacemouse": spacemouse}


@pytest.fixture(params=sorted(DEVICES))
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    assert request.param in HARNESSES, f"give device {request.param!r} a harness in this test"
    made = HARNESSES[request.param]()
    yield made
    made.device.close()


def test_at_rest_nothing_is_held(harness: Harness) -> None:
    harness.device.connect()
    assert harness.device.poll(1.0) == DeviceInput()
    assert harness.device.name and harness.device.help


def test_away_is_plus_x_with_the_switch_held_until_let_go(harness: Harness) -> None:
    harness.device.connect()
    harness.push()
    reading = harness.device.poll(1.0)
    assert reading.deadman
    assert reading.axes == pytest.approx((1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    assert harness.device.poll(1.05).axes == reading.axes
    harness.let_go()
    assert harness.device.poll(1.05 + harness.later_s) == DeviceInput()


def test_the_gripper_is_one_press(harness: Harness) -> None:
    harness.device.connect()
    harness.press_gripper()
    assert harness.device.poll(1.0).buttons == (Button.GRIPPER,)
    assert harness.device.poll(1.01).buttons == ()


def test_before_connecting_and_after_closing_it_is_an_error(harness: Harness) -> None:
    with pytest.raises(TeleopDeviceError, match="connect"):
        harness.device.poll(0.0)
    harness.device.connect()
    harness.device.close()
    harness.device.close()
    with pytest.raises(TeleopDeviceError):
        harness.device.poll(0.0)


def test_an_unplugged_device_lets_go_is_named_and_found_again(harness: Harness) -> None:
    core = TeleopCore(make_spec())
    hand = Hand(core, harness.device)
    hand.poll(1.0)
    core.sync_gripper(False, 1.0)
    harness.push()
    hand.poll(1.1)
    assert core.action(1.1) is not None and hand.connected
    harness.unplug()
    hand.poll(1.12)
    assert core.action(1.12) is None
    assert not hand.connected and hand.trouble
    # tried once a second, not at every reading
    hand.poll(1.5)
    harness.plug_in()
    hand.poll(10.0)
    assert hand.connected and hand.trouble == ""
    assert core.action(10.0) is None
    harness.push()
    hand.poll(10.1)
    assert core.action(10.1) is not None


def make_spec():
    from spatialbot_model.contracts.action_spec import ActionSpec

    return ActionSpec()


def test_unknown_device_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match="gamepad, keyboard, spacemouse"):
        make_device("wheel", DeviceSettings())


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_making_a_device_opens_nothing(name: str) -> None:
    make_device(name, DeviceSettings(path="/no/such/pad")).close()

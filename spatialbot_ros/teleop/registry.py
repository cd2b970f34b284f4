"""Hand devices by name. An adapter's package is imported when the device is connected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_ros.teleop.gamepad import GamepadDevice
from spatialbot_ros.teleop.inputs import TeleopDevice
from spatialbot_ros.teleop.keyboard import KeyboardDevice
from spatialbot_ros.teleop.spacemouse import SpaceMouseDevice


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What a device is made from.

    Attributes:
        path: of the gamepad's input device, "" for the first.
        key_window_s: how long a key counts as held after each press or repeat.
    """

    path: str = ""
    key_window_s: float = 0.15


DEVICES: Mapping[str, Callable[[DeviceSettings], TeleopDevice]] = {
    "keyboard": lambda settings: KeyboardDevice(settings.key_window_s),
    "gamepad": lambda settings: GamepadDevice(settings.path),
    "spacemouse": lambda settings: SpaceMouseDevice(),
}
"""Name -> factory. A factory opens nothing."""


def make_device(name: str, settings: DeviceSettings) -> TeleopDevice:
    """A device that is not connected yet.

    Raises:
        UnknownNameError: no such device; lists those there are.
    """
    if name not in DEVICES:
        raise UnknownNameError("teleoperation device", name, DEVICES)
    return DEVICES[name](settings)

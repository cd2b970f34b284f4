"""A hand device that may be unplugged, and its core: keeps trying, lets go meanwhile. Pure."""

from collections.abc import Sequence

from spatialbot_model.contracts.errors import MissingDependencyError, TeleopDeviceError
from spatialbot_ros.teleop.core import TeleopCore
from spatialbot_ros.teleop.inputs import Button, TeleopDevice

_RETRY_S = 1.0


class Hand:
    """Polls devices into a core.

    Args:
        core: fed by the first device alone.
        device: moves the arm.
        helpers: devices whose buttons count as well, such as a keyboard beside a gamepad; their
            motions and gripper keys do not.
    """

    def __init__(
        self, core: TeleopCore, device: TeleopDevice, helpers: Sequence[TeleopDevice] = ()
    ) -> None:
        self.core = core
        self._devices = (device, *helpers)
        self._open = [False] * len(self._devices)
        self._retry_s = [float("-inf")] * len(self._devices)
        self.trouble = f"looking for: {device.name}"

    @property
    def device(self) -> TeleopDevice:
        """The one that moves the arm."""
        return self._devices[0]

    @property
    def connected(self) -> bool:
        """Whether the device that moves the arm is there."""
        return self._open[0]

    def poll(self, now_s: float) -> tuple[Button, ...]:
        """Read all devices; returns the buttons that the core leaves to others.

        Raises:
            MissingDependencyError: a device can never be found; its package is not installed.
        """
        left: list[Button] = []
        for index, device in enumerate(self._devices):
            try:
                if not self._open[index]:
                    if now_s < self._retry_s[index]:
                        continue
                    self._retry_s[index] = now_s + _RETRY_S
                    device.connect()
                    self._open[index] = True
                    if index == 0:
                        self.trouble = ""
                reading = device.poll(now_s)
            except MissingDependencyError:
                raise
            except TeleopDeviceError as error:
                self._open[index] = False
                device.close()
                if index == 0:
                    self.trouble = str(error)
                    self.core.release()
                continue
            if index == 0:
                left += self.core.feed(reading, now_s)
            else:
                left += self.core.press(reading.buttons, now_s)
        return tuple(left)

    def close(self) -> None:
        """Let go and release all devices."""
        self.core.release()
        for index, device in enumerate(self._devices):
            self._open[index] = False
            device.close()

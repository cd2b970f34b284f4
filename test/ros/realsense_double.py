"""Test double of plugged-in hardware: a context whose devices are librealsense software devices.

Only finding and unplugging are made up; sensors, syncer, alignment and filters are
librealsense's own.
"""

import threading
from collections.abc import Callable
from typing import Any

import pyrealsense2 as rs
from frame_server_double import DESCRIPTION, make_frame

from spatialbot_model.contracts.frame_link import RawFrame
from spatialbot_ros.cameras.software_device import SoftwareDevice


class ContextDouble:
    """What `RealSenseCamera` asks of an rs.context."""

    def __init__(self, *devices: SoftwareDevice) -> None:
        self.devices = list(devices)
        self._on_changed: Callable[[Any], None] | None = None

    def query_devices(self) -> list[rs.device]:
        return [device.device for device in self.devices]

    def set_devices_changed_callback(self, on_changed: Callable[[Any], None]) -> None:
        self._on_changed = on_changed

    def plug(self, device: SoftwareDevice) -> None:
        self.devices.append(device)

    def unplug(self) -> None:
        self.devices.clear()
        self._on_changed(_Removal())


class _Removal:
    def was_removed(self, device: rs.device) -> bool:
        return True


class DeviceFeeder:
    """Exposes a software device at 100 Hz from a thread, as a sensor would."""

    def __init__(self) -> None:
        self.device = SoftwareDevice(DESCRIPTION)
        self.spoil: Callable[[RawFrame], RawFrame] = lambda frame: frame
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _feed(self) -> None:
        number = 0
        while not self._stop.wait(0.01):
            number += 1
            frame = self.spoil(make_frame(number))
            self.device.push(frame.color, frame.depth_mm)

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)

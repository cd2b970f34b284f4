"""Program for `test_hotplug`: the grabbing thread on a D435 over DDS, pulled out and put back.

Prints one JSON object. Runs in a process and a network of its own: a second DDS in a test process,
or a real camera beside it, would be in the way.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from dds_d435 import RATE_HZ, client_context

from spatialbot_model.contracts.errors import CameraError, CameraTimeoutError
from spatialbot_ros.camera_faults import CameraFaultLimits, CameraWatch
from spatialbot_ros.cameras.grabber import FrameGrabber
from spatialbot_ros.cameras.realsense import RealSenseCamera
from spatialbot_ros.cameras.settings import CameraSettings, StreamProfile
from spatialbot_ros.ports import CameraFrameset, CameraInfo

TIMEOUT_S = 60.0
NUM_FRAMESETS = 5


class Log:
    """Listens to the grabbing thread with the watch that the camera node has."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.watch = CameraWatch(CameraFaultLimits(streams_freeze_alone=True))
        self.events: list[tuple[str, float]] = []
        self.stamps_ns: list[int] = []
        self.serial_no = self.trouble = ""
        self.num_good = 0

    def on_connected(self, info: CameraInfo) -> None:
        self.serial_no = info.serial_no
        self.watch.connected(info, time.time_ns(), time.monotonic())
        self._note("connected")

    def wants_aligned_depth(self) -> bool:
        return True

    def on_frameset(self, frameset: CameraFrameset) -> None:
        if self.watch.frameset(frameset, time.time_ns(), time.monotonic()) is None:
            self.stamps_ns.append(frameset.stamp_ns)
            self.num_good += 1
            self._note("good")

    def on_nothing(self, error: CameraTimeoutError) -> None:
        self.watch.silent(time.time_ns(), time.monotonic())

    def on_camera_lost(self, error: CameraError, retry_s: float) -> None:
        if self.serial_no and not self.trouble:
            self.trouble = str(error)
        self.watch.lost(str(error), time.monotonic())
        self._note("lost")

    def on_failure(self, error: Exception) -> None:
        self._note(f"failed: {error}")

    def _note(self, event: str) -> None:
        with self.changed:
            self.events.append((event, time.monotonic()))
            self.changed.notify_all()

    def wait(self, event: str, number: int = 1) -> float:
        """When the next `number` events of this kind have come."""
        with self.changed:
            start = len(self.events)

            def seen() -> list[float]:
                return [at_s for name, at_s in self.events[start:] if name == event]

            if not self.changed.wait_for(lambda: len(seen()) >= number, TIMEOUT_S):
                raise SystemExit(f"no {number} x {event!r} came: {self.events[-20:]}")
            return seen()[number - 1]


def main() -> None:
    device = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("dds_d435.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    profile = StreamProfile(640, 480, RATE_HZ)
    log = Log()
    settings = CameraSettings(color_profile=profile, depth_profile=profile)
    grabber = FrameGrabber(RealSenseCamera(settings, client_context), log, max_retry_s=0.5)
    try:
        grabber.start()
        _tell(device, "plug")
        log.wait("good", NUM_FRAMESETS)
        out_s = time.monotonic()
        _tell(device, "unplug")
        lost_s = log.wait("lost")
        _tell(device, "plug")
        log.wait("good", NUM_FRAMESETS)
    finally:
        grabber.close()
        device.stdin.close()
        device.wait(TIMEOUT_S)
    told = {
        "serial_no": log.serial_no,
        "trouble": log.trouble,
        "lost_after_s": lost_s - out_s,
        "stamps_ns": log.stamps_ns,
        "faults": dict(log.watch.counts),
        "failures": [name for name, _ in log.events if name.startswith("failed")],
    }
    sys.stdout.write(json.dumps(told))


def _tell(device: "subprocess.Popen[str]", word: str) -> None:
    device.stdin.write(f"{word}\n")
    device.stdin.flush()
    device.stdout.readline()


if __name__ == "__main__":
    main()

"""Test double of a D435 that librealsense finds over DDS: a process whose standard input plugs it.

Lines ``plug`` and ``unplug`` are obeyed; the end of the input ends it. Discovery, hot-plug events
and transport are librealsense's own; only the pictures are made up.
"""

import json
import sys
import threading
import time

import numpy as np
import pyrealsense2 as rs
import pyrealsense2.pyrealdds as dds

DOMAIN = 43
LOOPBACK = {"use-builtin-transports": False, "udp": {"whitelist": ["127.0.0.1"]}}
SERIAL_NO = "036522070660"
WIDTH, HEIGHT, RATE_HZ = 640, 480, 15
_ROOT = f"realsense/D435_{SERIAL_NO}"


def client_context() -> rs.context:
    """What a client of this device opens; nothing but DDS on loopback."""
    settings = {"enabled": True, "domain": DOMAIN, "participant": "camera-test", **LOOPBACK}
    return rs.context(json.dumps({"dds": settings}))


def _intrinsics(focal_px: float) -> dds.video_intrinsics:
    made = dds.video_intrinsics()
    made.width, made.height = WIDTH, HEIGHT
    made.principal_point.x, made.principal_point.y = WIDTH / 2, HEIGHT / 2
    made.focal_length.x = made.focal_length.y = focal_px
    return made


class Device:
    """One plugged-in device."""

    def __init__(self, participant: dds.participant) -> None:
        self._info = dds.message.device_info.from_json(
            {"name": "Intel RealSense D435", "serial": SERIAL_NO, "product-line": "D400",
             "topic-root": _ROOT}
        )  # fmt: skip
        self._depth = dds.depth_stream_server("Depth", "Stereo Module")
        self._color = dds.color_stream_server("Color", "RGB Camera")
        for stream, encoding, focal_px in (
            (self._depth, dds.video_encoding.z16, 385.0),
            (self._color, dds.video_encoding.rgb, 615.0),
        ):
            profile = dds.video_stream_profile(RATE_HZ, encoding, WIDTH, HEIGHT)
            stream.init_profiles([profile], 0)
            stream.init_options([])
            stream.set_intrinsics({_intrinsics(focal_px)})
        extrinsics = dds.extrinsics()
        extrinsics.rotation = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        extrinsics.translation = (0.015, 0.0, 0.0)
        self._server = dds.device_server(participant, _ROOT)
        self._server.on_control(self._on_control)
        self._server.init(
            [self._depth, self._color],
            [],
            {("Depth", "Color"): extrinsics, ("Color", "Depth"): extrinsics},
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._feed, daemon=True)

    def plug(self) -> None:
        self._server.broadcast(self._info)
        self._thread.start()

    def unplug(self) -> None:
        self._stop.set()
        self._thread.join()
        self._server.broadcast_disconnect()

    def _on_control(self, server, kind, control, reply) -> bool:
        if kind != "open-streams":
            return False
        for stream, encoding in (
            (self._depth, dds.video_encoding.z16),
            (self._color, dds.video_encoding.rgb),
        ):
            if not stream.is_streaming():
                stream.start_streaming(encoding, WIDTH, HEIGHT)
        return True

    def _feed(self) -> None:
        number = 0
        while not self._stop.wait(1.0 / RATE_HZ):
            number += 1
            now = dds.time.from_ns(time.time_ns())
            depth_mm = np.full((HEIGHT, WIDTH), 800, np.uint16)
            color = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            depth_mm[0, 0] = color[0, 0, 0] = number % 256
            for stream, pixels, step, encoding in (
                (self._depth, depth_mm, 2, "16UC1"),
                (self._color, color, 3, "rgb8"),
            ):
                if not stream.is_streaming():
                    continue
                image = dds.message.image()
                image.width, image.height, image.step = WIDTH, HEIGHT, WIDTH * step
                image.encoding = encoding
                image.timestamp = now
                image.data = bytearray(pixels.tobytes())
                stream.publish_image(image)


def main() -> None:
    participant = dds.participant()
    participant.init(DOMAIN, "d435-double", LOOPBACK)
    device: Device | None = None
    for line in sys.stdin:
        if line.strip() == "plug":
            device = Device(participant)
            device.plug()
        elif device is not None:
            device.unplug()
            device = None
        sys.stdout.write(f"{line.strip()}ged\n")
        sys.stdout.flush()
    if device is not None:
        device.unplug()


if __name__ == "__main__":
    main()

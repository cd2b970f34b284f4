"""RealSense hardware through librealsense's sensor-level API.

Not through ``rs.pipeline``: after a device was unplugged its waiting calls block for many
seconds, while the sensors with a syncer notice within a tenth of one.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyrealsense2 as rs

from spatialbot_model.contracts.errors import (
    CameraError,
    CameraNotFoundError,
    CameraReopenError,
    CameraTimeoutError,
    HalfFramesetError,
)
from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_ros.cameras.clock_mapping import ClockMapping
from spatialbot_ros.cameras.processing import (
    FrameProcessing,
    filtered_intrinsics,
    to_intrinsics,
    to_transform,
)
from spatialbot_ros.cameras.settings import CameraSettings, StreamProfile
from spatialbot_ros.ports import CameraFrameset, CameraInfo

_POLL_MS = 100
_STALL_S = 5.0
_HALF_FRAMESETS = 3
_CALIBRATION_CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Stream:
    sensor: rs.sensor
    profile: rs.video_stream_profile


class RealSenseCamera:
    """Camera port over a RealSense device.

    Stamps are the device's hardware clock mapped onto ROS time at the first frame.
    """

    def __init__(
        self, settings: CameraSettings, make_context: Callable[[], rs.context] = rs.context
    ) -> None:
        self._settings = settings
        self._make_context = make_context
        self._context: rs.context | None = None
        self._device: rs.device | None = None
        self._removed = threading.Event()
        self._streaming: list[rs.sensor] = []
        self._processing: FrameProcessing | None = None
        self._clock = ClockMapping(settings.now_ns)
        self._reset_pending = settings.initial_reset
        self._last_frame_s = 0.0
        self._profiles: tuple[rs.video_stream_profile, ...] = ()
        self._calibration: tuple[CameraIntrinsics, ...] = ()
        self._calibration_s = 0.0

    def connect(self) -> CameraInfo:
        """Find the device and stream from it; see `ports.Camera.connect`."""
        self.close()
        if self._context is None:
            self._context = self._make_context()
            self._context.set_devices_changed_callback(self._on_devices_changed)
        device = self._find(self._context.query_devices())
        if self._reset_pending:
            self._reset_pending = False
            device.hardware_reset()
            raise CameraError(
                f"{_label(device)} was reset, as `initial_reset` asks for; it comes back in a"
                " few seconds"
            )
        try:
            return self._start(device)
        except RuntimeError as error:
            self.close()
            raise CameraError(
                f"cannot stream from {_label(device)}: {error}. Is another program using it,"
                " and is it on a USB 3 port?"
            ) from error
        except CameraError:
            self.close()
            raise

    def read(self, timeout_s: float, *, align: bool = True) -> CameraFrameset:
        """The next synchronised set; see `ports.Camera.read`."""
        if self._processing is None:
            raise CameraError("the camera is not connected; call connect() first")
        deadline_s = time.monotonic() + timeout_s
        while True:
            if self._removed.is_set():
                raise CameraError(f"{self._wanted()} was unplugged")
            now_s = time.monotonic()
            remaining_ms = int(1000 * (deadline_s - now_s))
            frames = self._processing.wait(max(1, min(_POLL_MS, remaining_ms)))
            if frames is not None:
                break
            if now_s - self._last_frame_s > _STALL_S:
                raise CameraError(
                    f"{self._wanted()} sent nothing for {_STALL_S:g} s; it is opened again."
                    " If this repeats, check the cable and the USB port."
                )
            if remaining_ms <= 0:
                # until both sensors have started, single images are nothing unusual
                if self._processing.paired and self._processing.num_half >= _HALF_FRAMESETS:
                    raise HalfFramesetError(
                        f"{self._processing.num_half} single images came from {self._wanted()}"
                        " since the last pair: one of its sensors has stopped, or their clocks"
                        " have come apart"
                    )
                raise CameraTimeoutError(f"no frames from {self._wanted()} within {timeout_s} s")
        self._last_frame_s = time.monotonic()
        self._check_calibration()
        processed = self._processing.process(frames, align=align)
        return CameraFrameset(
            stamp_ns=self._clock.to_ros_ns(processed.timestamp_ms),
            clock_jumped=self._clock.jumped,
            frame_number=processed.device_frame_number,
            color=processed.color,
            depth_mm=processed.depth_mm,
            aligned_depth_mm=processed.aligned_depth_mm,
        )

    def close(self) -> None:
        """Stop streaming; see `ports.Camera.close`."""
        for sensor in self._streaming:
            for end in (sensor.stop, sensor.close):
                try:
                    end()
                except RuntimeError:
                    # an unplugged device cannot be stopped any more, and need not be
                    continue
        self._streaming = []
        self._processing = self._device = None
        self._profiles = ()
        self._removed.clear()

    def _start(self, device: rs.device) -> CameraInfo:
        settings = self._settings
        depth = _find_stream(device, rs.stream.depth, rs.format.z16, settings.depth_profile)
        color = _find_stream(device, rs.stream.color, rs.format.rgb8, settings.color_profile)
        self._device = device
        self._clock = ClockMapping(settings.now_ns)
        processing = FrameProcessing(settings.filters)
        by_sensor: list[tuple[rs.sensor, list[rs.video_stream_profile]]]
        if _sensor_name(depth.sensor) == _sensor_name(color.sensor):
            by_sensor = [(depth.sensor, [depth.profile, color.profile])]
        else:
            by_sensor = [(depth.sensor, [depth.profile]), (color.sensor, [color.profile])]
        for sensor, profiles in by_sensor:
            sensor.open(profiles)
            self._streaming.append(sensor)
        for sensor, _ in by_sensor:
            sensor.start(processing.syncer)
        self._processing = processing
        self._profiles = (depth.profile, color.profile)
        self._calibration = _calibration(self._profiles)
        self._last_frame_s = self._calibration_s = time.monotonic()
        return CameraInfo(
            name=_info(device, rs.camera_info.name),
            serial_no=_info(device, rs.camera_info.serial_number),
            firmware=_info(device, rs.camera_info.firmware_version),
            color=to_intrinsics(color.profile.get_intrinsics()),
            depth=filtered_intrinsics(
                to_intrinsics(depth.profile.get_intrinsics()), settings.filters
            ),
            T_color_depth=to_transform(depth.profile.get_extrinsics_to(color.profile)),
            rate_hz=float(min(settings.color_profile.rate_hz, settings.depth_profile.rate_hz)),
        )

    def _check_calibration(self) -> None:
        """A camera may be calibrated while it streams; what was read at the start is old then."""
        now_s = time.monotonic()
        if now_s - self._calibration_s < _CALIBRATION_CHECK_S:
            return
        self._calibration_s = now_s
        if _calibration(self._profiles) != self._calibration:
            raise CameraReopenError(
                f"the calibration of {self._wanted()} has changed; it is opened again"
            )

    def _find(self, devices: Iterable[rs.device]) -> rs.device:
        found = list(devices)
        serial_no = self._settings.serial_no.lstrip("_")
        for device in found:
            name = _info(device, rs.camera_info.name).lower()
            if serial_no in ("", _info(device, rs.camera_info.serial_number)) and (
                self._settings.device_type.lower() in name
            ):
                return device
        present = ", ".join(_label(device) for device in found) or "none"
        raise CameraNotFoundError(
            f"{self._wanted()} not found; RealSense devices present: {present}. Check the cable,"
            " the USB 3 port and the udev rules, or the parameters `serial_no`, `device_type`"
            " and `camera`."
        )

    def _wanted(self) -> str:
        if self._device is not None:
            return _label(self._device)
        serial_no = self._settings.serial_no.lstrip("_") or "any"
        return (
            f"RealSense with serial number {serial_no!r} and type"
            f" {self._settings.device_type or 'any'!r}"
        )

    def _on_devices_changed(self, info: rs.event_information) -> None:
        device = self._device
        if device is not None and info.was_removed(device):
            self._removed.set()


def _find_stream(
    device: rs.device, stream: rs.stream, pixel_format: rs.format, wanted: StreamProfile
) -> _Stream:
    offered = set()
    for sensor in device.query_sensors():
        for candidate in sensor.get_stream_profiles():
            if candidate.stream_type() != stream or candidate.format() != pixel_format:
                continue
            profile = candidate.as_video_stream_profile()
            offer = StreamProfile(profile.width(), profile.height(), profile.fps())
            if offer == wanted:
                return _Stream(sensor, profile)
            offered.add((offer.width, offer.height, offer.rate_hz))
    offers = ", ".join(str(StreamProfile(*offer)) for offer in sorted(offered)) or "none"
    raise CameraError(
        f"{_label(device)} has no {stream.name} profile {wanted}; it offers: {offers}"
    )


def _calibration(profiles: Iterable[rs.video_stream_profile]) -> tuple[CameraIntrinsics, ...]:
    return tuple(to_intrinsics(profile.get_intrinsics()) for profile in profiles)


def _sensor_name(sensor: rs.sensor) -> str:
    return _info(sensor, rs.camera_info.name)


def _label(device: rs.device) -> str:
    name = _info(device, rs.camera_info.name)
    return f"{name} ({_info(device, rs.camera_info.serial_number)})"


def _info(source: rs.device | rs.sensor, field: rs.camera_info) -> str:
    return source.get_info(field) if source.supports(field) else "unknown"

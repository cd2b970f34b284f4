"""A librealsense software device: raw images go in, the sensors' frames come out.

The sensors are real librealsense sensors, so that whatever stands behind them (syncer,
alignment, filters) cannot tell the simulated imagers from a device.
"""

import numpy as np
import pyrealsense2 as rs
from numpy.typing import NDArray

from spatialbot_model.contracts.frame_link import SensorDescription
from spatialbot_model.contracts.types import CameraIntrinsics

DEPTH_UNITS_M = 0.001
_MS_PER_S = 1000.0
_MM_PER_M = 1000.0


class SoftwareDevice:
    """Depth and colour sensor with the calibration of a description.

    The device clock ticks one period a frame. It has to be regular, not true: librealsense
    pairs images by it and lets pairs fall apart after a jump, as when a simulation pauses;
    the true stamp of a frame is kept outside, where it stays exact.

    Attributes:
        device: the librealsense device.
    """

    def __init__(self, description: SensorDescription) -> None:
        self._period_ms = _MS_PER_S / description.rate_hz
        self._num_pushed = 0
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, description.name)
        self.device.register_info(rs.camera_info.serial_number, description.serial_no)
        self._depth_sensor = self.device.add_sensor("Stereo Module")
        self._color_sensor = self.device.add_sensor("RGB Camera")
        rate_hz = max(1, round(description.rate_hz))
        self._depth_profile = _add_stream(
            self._depth_sensor, rs.stream.depth, rs.format.z16, 2, description.depth, rate_hz
        )
        self._color_profile = _add_stream(
            self._color_sensor, rs.stream.color, rs.format.rgb8, 3, description.color, rate_hz
        )
        self._depth_sensor.add_read_only_option(rs.option.depth_units, DEPTH_UNITS_M)
        self._depth_sensor.add_read_only_option(
            rs.option.stereo_baseline, description.stereo_baseline_m * _MM_PER_M
        )
        extrinsics = rs.extrinsics()
        extrinsics.rotation = np.eye(3).ravel().tolist()
        extrinsics.translation = list(description.depth_to_color_translation_m)
        self._depth_profile.register_extrinsics_to(self._color_profile, extrinsics)
        self.device.create_matcher(rs.matchers.dlr_c)
        self._streaming = False

    def start(self, syncer: rs.syncer) -> None:
        """Stream both sensors into `syncer`."""
        self._depth_sensor.open(self._depth_profile)
        self._color_sensor.open(self._color_profile)
        self._depth_sensor.start(syncer)
        self._color_sensor.start(syncer)
        self._streaming = True

    def push(self, color: NDArray[np.uint8], depth_mm: NDArray[np.uint16]) -> int:
        """Expose both sensors once; the pixels are copied. A sensor with an empty image is silent.

        Returns:
            Frame number that both librealsense frames carry.
        """
        self._num_pushed += 1
        for sensor, profile, image, bytes_per_pixel in (
            (self._depth_sensor, self._depth_profile, depth_mm, 2),
            (self._color_sensor, self._color_profile, color, 3),
        ):
            if image.size == 0:
                continue
            frame = rs.software_video_frame()
            frame.pixels = image
            frame.stride = image.shape[1] * bytes_per_pixel
            frame.bpp = bytes_per_pixel
            frame.timestamp = self._num_pushed * self._period_ms
            frame.domain = rs.timestamp_domain.hardware_clock
            frame.frame_number = self._num_pushed
            frame.profile = profile
            if bytes_per_pixel == 2:
                frame.depth_units = DEPTH_UNITS_M
            sensor.on_video_frame(frame)
        return self._num_pushed

    def stop(self) -> None:
        """Stop both sensors; allowed more than once."""
        if not self._streaming:
            return
        self._streaming = False
        for sensor in (self._depth_sensor, self._color_sensor):
            sensor.stop()
            sensor.close()


def _add_stream(
    sensor: rs.software_sensor,
    stream: rs.stream,
    pixel_format: rs.format,
    bytes_per_pixel: int,
    intrinsics: CameraIntrinsics,
    rate_hz: int,
) -> rs.video_stream_profile:
    video = rs.video_stream()
    video.type = stream
    video.uid = int(stream)
    video.index = 0
    video.width, video.height = intrinsics.width, intrinsics.height
    video.fps = rate_hz
    video.bpp = bytes_per_pixel
    video.fmt = pixel_format
    video.intrinsics = _to_librealsense(intrinsics)
    return sensor.add_video_stream(video, True).as_video_stream_profile()


def _to_librealsense(intrinsics: CameraIntrinsics) -> rs.intrinsics:
    converted = rs.intrinsics()
    converted.width, converted.height = intrinsics.width, intrinsics.height
    converted.fx, converted.fy = intrinsics.fx_px, intrinsics.fy_px
    converted.ppx, converted.ppy = intrinsics.cx_px, intrinsics.cy_px
    converted.coeffs = list(intrinsics.distortion)
    converted.model = (
        rs.distortion.brown_conrady if any(intrinsics.distortion) else rs.distortion.none
    )
    return converted

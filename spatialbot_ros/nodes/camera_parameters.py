"""Parameters of the camera node, named and meant as in realsense-ros."""

from collections.abc import Callable
from dataclasses import dataclass

from spatialbot_ros.cameras.settings import CameraSettings, DepthFilters, StreamProfile
from spatialbot_ros.nodes.parameters import parameter

_FILTER = "librealsense post-processing of depth: "


@dataclass(frozen=True, slots=True)
class CameraParameters:
    """See each description."""

    camera: str = parameter("realsense", "camera adapter: realsense (hardware) or simulated")
    address: str = parameter("127.0.0.1", "address of the simulated lab (camera: simulated)")
    serial_no: str = parameter("", "serial number of the device, empty for any")
    device_type: str = parameter("", "part of the device name such as d435, empty for any")
    initial_reset: bool = parameter(False, "reset the device once before it is used")
    wait_for_device_timeout: float = parameter(
        -1.0, "seconds to look for the camera before the node ends with an error; -1: for ever"
    )
    reconnect_timeout: float = parameter(
        6.0, "longest pause between two attempts to connect, seconds", low=0.1, high=600.0
    )
    color_profile: str = parameter(
        "640x480x30",
        "colour stream WIDTHxHEIGHTxRATE (hardware; the simulated lab sets its own)",
        name="rgb_camera.color_profile",
    )
    depth_profile: str = parameter(
        "640x480x30",
        "depth stream WIDTHxHEIGHTxRATE (hardware; the simulated lab sets its own)",
        name="depth_module.depth_profile",
    )
    align_depth: bool = parameter(
        True, "publish depth aligned to colour", name="align_depth.enable"
    )
    pointcloud: bool = parameter(False, "publish a coloured point cloud", name="pointcloud.enable")
    decimation: bool = parameter(False, _FILTER + "half the size", name="decimation_filter.enable")
    spatial: bool = parameter(False, _FILTER + "smooth in space", name="spatial_filter.enable")
    temporal: bool = parameter(False, _FILTER + "smooth in time", name="temporal_filter.enable")
    disparity: bool = parameter(
        False, _FILTER + "smooth disparity instead of depth", name="disparity_filter.enable"
    )
    hole_filling: bool = parameter(
        False,
        _FILTER + "invent depth where there is none; for people, not for policies",
        name="hole_filling_filter.enable",
    )
    clip_distance: float = parameter(
        -1.0, "depth beyond this many metres becomes invalid; -1: keep all", low=-1.0, high=16.0
    )
    depth_encoding: str = parameter(
        "release",
        "profile of depth_encoded/image_raw; `release` is what released weights need",
        choices=("release", "paper", "uint24"),
    )
    publish_tf: bool = parameter(True, "publish camera_link and the camera's frames")
    publish_base_tf: bool = parameter(
        True, "publish the calibrated pose of camera_link in fr3_link0"
    )
    cell_file: str = parameter("", "YAML with that pose; empty: the shipped config/cell.yaml")
    diagnostics_period: float = parameter(
        1.0, "seconds between two messages on /diagnostics; 0: none", low=0.0, high=60.0
    )

    def to_settings(self, now_ns: Callable[[], int]) -> CameraSettings:
        """What the camera adapter gets.

        Raises:
            ConfigurationError: a profile is malformed.
        """
        return CameraSettings(
            address=self.address,
            serial_no=self.serial_no,
            device_type=self.device_type,
            initial_reset=self.initial_reset,
            color_profile=StreamProfile.parse(self.color_profile),
            depth_profile=StreamProfile.parse(self.depth_profile),
            filters=DepthFilters(
                decimation=self.decimation,
                spatial=self.spatial,
                temporal=self.temporal,
                disparity=self.disparity,
                hole_filling=self.hole_filling,
                clip_distance_m=self.clip_distance,
            ),
            now_ns=now_ns,
        )

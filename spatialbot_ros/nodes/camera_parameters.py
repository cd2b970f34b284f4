"""Parameters of the camera node, named and meant as in realsense-ros."""

from collections.abc import Callable
from dataclasses import dataclass

from spatialbot_ros.camera_faults import CameraFaultLimits
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
        -1.0,
        "seconds to look for the camera before the node ends with an error; -1: for ever",
        low=-1.0,
        high=86400.0,
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

    stall_s: float = parameter(
        0.5, "seconds without a frameset until the camera has stalled", low=0.05, high=60.0
    )
    min_depth_share: float = parameter(
        0.02,
        "share of depth pixels with a return below which nobody gets the images",
        low=0.0,
        high=1.0,
    )
    max_stamp_lead_s: float = parameter(
        0.2, "how far a stamp may lie ahead of ROS time", low=0.0, high=10.0
    )
    max_stamp_age_s: float = parameter(
        5.0, "how old a stamp may be when it is read", low=0.1, high=600.0
    )
    reopen_after_s: float = parameter(
        5.0, "seconds of a bad stream until the device is opened again", low=0.5, high=600.0
    )

    def fault_limits(self) -> CameraFaultLimits:
        """What still passes as a good stream."""
        return CameraFaultLimits(
            stall_s=self.stall_s,
            min_depth_share=self.min_depth_share,
            max_future_s=self.max_stamp_lead_s,
            max_age_s=self.max_stamp_age_s,
            # the simulated lab's colours have no noise: a scene at rest looks the same twice
            streams_freeze_alone=self.camera != "simulated",
            reopen_after_s=self.reopen_after_s,
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

"""ROS parameters of the recorder."""

from dataclasses import dataclass

from spatialbot_model.contracts.episode_images import (
    COLOR_FORMATS,
    DEFAULT_JPEG_QUALITY,
    DEPTH_FORMATS,
    ImageFormats,
)
from spatialbot_ros.nodes.parameters import parameter


@dataclass(frozen=True, slots=True)
class RecorderParameters:
    """ROS parameters of the node `recorder`."""

    output_directory: str = parameter(
        "out/episodes", "folder of the session, in which episodes are made"
    )
    action_spec_file: str = parameter("", "action spec YAML; empty = shipped")
    robot: str = parameter("fr3", "identity of the robot, for the metadata")
    camera: str = parameter("realsense", "identity of the camera, for the metadata")
    color_format: str = parameter(
        "raw", "how colour is stored; jpeg is lossy", choices=tuple(COLOR_FORMATS)
    )
    depth_format: str = parameter(
        "raw", "how depth is stored; both are exact", choices=tuple(DEPTH_FORMATS)
    )
    jpeg_quality: int = parameter(
        DEFAULT_JPEG_QUALITY, "JPEG quality of colour, 100 is best", low=1, high=100
    )
    wait_for_topics_s: float = parameter(
        10.0,
        "wall seconds to wait for the first message of every continuous topic; 0 = record at once",
        low=0.0,
        high=600.0,
    )
    max_duration_s: float = parameter(
        600.0, "ROS seconds after which an episode ends by itself", low=1.0, high=86400.0
    )
    queue_mb: int = parameter(512, "megabytes that may wait for the disk", low=4, high=16384)
    reserve_mb: int = parameter(
        256, "megabytes of disk space that are left free", low=0, high=1_000_000
    )
    diagnostics_period_s: float = parameter(
        1.0, "wall seconds between diagnostics", low=0.1, high=60.0
    )

    @property
    def image_formats(self) -> ImageFormats:
        """How images are stored."""
        return ImageFormats(self.color_format, self.depth_format, self.jpeg_quality)

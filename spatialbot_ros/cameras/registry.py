"""Camera adapters by name.

An adapter is imported when it is asked for, so that a machine without librealsense can
still name what there is.
"""

from collections.abc import Callable, Mapping

from spatialbot_model.contracts.errors import MissingDependencyError, UnknownNameError
from spatialbot_ros.cameras.settings import CameraSettings
from spatialbot_ros.ports import Camera


def _make_realsense(settings: CameraSettings) -> Camera:
    from spatialbot_ros.cameras.realsense import RealSenseCamera

    return RealSenseCamera(settings)


def _make_simulated(settings: CameraSettings) -> Camera:
    from spatialbot_ros.cameras.simulated import SimulatedCamera

    return SimulatedCamera(settings)


CAMERAS: Mapping[str, Callable[[CameraSettings], Camera]] = {
    "realsense": _make_realsense,
    "simulated": _make_simulated,
}
"""Name -> factory. A factory opens nothing."""


def make_camera(name: str, settings: CameraSettings) -> Camera:
    """A camera that is not connected yet.

    Raises:
        UnknownNameError: no such camera; lists those there are.
        MissingDependencyError: its SDK is not installed.
    """
    if name not in CAMERAS:
        raise UnknownNameError("camera", name, CAMERAS)
    try:
        return CAMERAS[name](settings)
    except ImportError as error:
        raise MissingDependencyError(
            f"camera {name!r} needs librealsense's Python package ({error}). Install"
            " pyrealsense2 and the system library libusb-1.0-0."
        ) from error

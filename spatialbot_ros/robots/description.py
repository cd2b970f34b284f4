"""The URDF of the cell: ``urdf/cell.urdf.xacro`` filled in with the FR3 that is installed.

What robot_state_publisher, RViz and planners take as `robot_description`.
"""

import importlib.util
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_model.contracts.resources import find_resource

CELL_XACRO = "urdf/cell.urdf.xacro"


def find_fr3_urdf() -> str:
    """The FR3 for the xacro argument `fr3_urdf`.

    Returns:
        "" where franka_description is installed (the xacro file finds it itself), else the
        path of franky-sim's URDF.

    Raises:
        MissingDependencyError: neither is there.
    """
    if _has_franka_description():
        return ""
    spec = importlib.util.find_spec("franky_sim")
    if spec is not None and spec.origin is not None:
        urdf = Path(spec.origin).parent / "assets" / "fr3.urdf"
        if urdf.is_file():
            return str(urdf)
    raise MissingDependencyError(
        "no FR3 model: neither the ROS package franka_description nor the Python package"
        " franky-sim is installed. Build https://github.com/frankarobotics/franka_description in"
        " your workspace, or `pip install franky-sim`."
    )


def cell_description(fr3_urdf: str | None = None, *, nominal_extrinsics: bool = True) -> str:
    """URDF of robot, table and camera; root of the poses is `fr3_link0`.

    Args:
        fr3_urdf: a finished URDF of the arm with hand; default `find_fr3_urdf`.
        nominal_extrinsics: also describe the camera's imagers; False where the camera driver
            publishes their calibrated frames itself.

    Raises:
        MissingDependencyError: no FR3 model, or no xacro.
        ConfigurationError: xacro refuses the files; names the place.
    """
    try:
        import xacro
    except ImportError as error:
        raise MissingDependencyError(
            "xacro is not installed: `apt install ros-$ROS_DISTRO-xacro`, or `pip install xacro`"
        ) from error
    path = find_resource(CELL_XACRO)
    urdf = find_fr3_urdf() if fr3_urdf is None else fr3_urdf
    arguments = {"fr3_urdf": urdf, "nominal_extrinsics": str(nominal_extrinsics).lower()}
    try:
        document = xacro.process_file(str(path), mappings=arguments)
    except Exception as error:  # xacro lets errors of expat, ament_index and eval through as well
        raise ConfigurationError(
            f"{path} with fr3_urdf:={urdf!r} cannot be processed: {error}"
        ) from error
    if urdf:
        _resolve_meshes(document, Path(urdf).resolve().parent)
    return str(document.toxml())


def _has_franka_description() -> bool:
    try:
        from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
    except ImportError:
        return False
    try:
        share = Path(get_package_share_directory("franka_description"))
    except (PackageNotFoundError, OSError):
        # OSError: AMENT_PREFIX_PATH is not set, which the wheels do without
        return False
    return (share / "robots" / "fr3" / "fr3.urdf.xacro").is_file()


def _resolve_meshes(document: Any, folder: Path) -> None:
    """Relative mesh files mean nothing to RViz; make them file:// URLs."""
    for mesh in document.getElementsByTagName("mesh"):
        name = mesh.getAttribute("filename")
        if "://" not in name:
            mesh.setAttribute("filename", (folder / name).as_uri())

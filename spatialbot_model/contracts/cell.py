"""Geometry of the cell: robot home, table, workspace box and calibrated camera.

One immutable object, made from the mapping in ``config/cell.yaml``; simulation, URDF
test and nodes agree because they all build it from the same file. SI units, `fr3_link0`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.transforms import compose, rpy_to_matrix
from spatialbot_model.contracts.types import CameraIntrinsics

# camera_link is x forward, y left, z up; optical frames are z forward, x right, y down (REP-103)
R_LINK_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


_MAX_SIZE_PX = 16384


@dataclass(frozen=True, slots=True)
class CameraMount:
    """Calibrated camera: poses are (4, 4), `camera_link` in the base frame."""

    T_base_link: NDArray[np.float64]
    color: CameraIntrinsics
    depth: CameraIntrinsics
    stereo_baseline_m: float
    color_offset_m: NDArray[np.float64]
    depth_range_m: tuple[float, float]

    @property
    def T_base_color(self) -> NDArray[np.float64]:
        """Pose of `camera_color_optical_frame` in `fr3_link0`."""
        return self.T_base_link @ compose(R_LINK_OPTICAL, self.color_offset_m)

    @property
    def T_base_depth(self) -> NDArray[np.float64]:
        """Pose of `camera_depth_optical_frame` in `fr3_link0`."""
        return self.T_base_link @ compose(R_LINK_OPTICAL, np.zeros(3))


@dataclass(frozen=True, slots=True)
class Cell:
    """The whole cell; see ``config/cell.yaml`` for the meaning of each number."""

    home_joints_rad: NDArray[np.float64]
    home_tcp_m: NDArray[np.float64]
    table_top_z_m: float
    table_center_xy_m: NDArray[np.float64]
    table_size_xy_m: NDArray[np.float64]
    table_thickness_m: float
    workspace_min_m: NDArray[np.float64]
    workspace_max_m: NDArray[np.float64]
    camera: CameraMount

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "Cell":
        """Build from the parsed YAML.

        Raises:
            ConfigurationError: a key is missing or a number is out of shape.
        """
        try:
            camera = data["camera"]
            low_m, high_m = _vector(camera["depth_range_m"], 2).tolist()
            cell = cls(
                home_joints_rad=_vector(data["robot"]["home_joints_rad"], 7),
                home_tcp_m=_vector(data["robot"]["home_tcp_m"], 3),
                table_top_z_m=_number(data["table"]["top_z_m"]),
                table_center_xy_m=_vector(data["table"]["center_xy_m"], 2),
                table_size_xy_m=_vector(data["table"]["size_xy_m"], 2),
                table_thickness_m=_number(data["table"]["thickness_m"]),
                workspace_min_m=_vector(data["workspace"]["min_m"], 3),
                workspace_max_m=_vector(data["workspace"]["max_m"], 3),
                camera=CameraMount(
                    T_base_link=compose(
                        rpy_to_matrix(_vector(camera["rpy_rad"], 3)),
                        _vector(camera["position_m"], 3),
                    ),
                    color=_intrinsics(camera["color"]),
                    depth=_intrinsics(camera["depth"]),
                    stereo_baseline_m=_number(camera["stereo_baseline_m"]),
                    color_offset_m=_vector(camera["color_offset_m"], 3),
                    depth_range_m=(low_m, high_m),
                ),
            )
        except KeyError as error:
            raise ConfigurationError(f"cell description lacks the key {error}") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"cell description is malformed: {error}") from error
        if np.any(cell.workspace_min_m >= cell.workspace_max_m):
            raise ConfigurationError(
                f"workspace is empty: min {cell.workspace_min_m} must lie below"
                f" max {cell.workspace_max_m} in every axis"
            )
        return cell


def _number(value: Any) -> float:
    return float(_vector([value], 1)[0])


def _intrinsics(values: Mapping[str, Any]) -> CameraIntrinsics:
    camera = CameraIntrinsics(**values)
    for size in (camera.width, camera.height):
        if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= _MAX_SIZE_PX:
            raise ValueError(f"an image is {size!r} px wide or high, expected 1 to {_MAX_SIZE_PX}")
    if not min(_vector([camera.fx_px, camera.fy_px], 2)) > 0.0:
        raise ValueError(f"focal lengths are {camera.fx_px}, {camera.fy_px}, expected above 0")
    _vector([camera.cx_px, camera.cy_px], 2)
    _vector(camera.distortion, 5)
    return camera


def _vector(values: Any, size: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (size,) or not np.all(np.isfinite(array)):
        raise ConfigurationError(f"expected {size} finite numbers, got {values!r}")
    return array

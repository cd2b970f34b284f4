"""The shipped cell description: complete, consistent, and refused when it is not."""

import copy
from typing import Any

import numpy as np
import pytest
import yaml

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.transforms import invert, transform_points


@pytest.fixture
def mapping() -> dict[str, Any]:
    return yaml.safe_load(find_resource("config/cell.yaml").read_text(encoding="utf-8"))


def set_at(mapping: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(mapping)
    *parents, last = path.split(".")
    inner = changed
    for key in parents:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return changed


def test_the_shipped_camera_looks_down_on_the_table(mapping: dict[str, Any]) -> None:
    cell = Cell.from_mapping(mapping)
    for T, intrinsics in (
        (cell.camera.T_base_color, cell.camera.color),
        (cell.camera.T_base_depth, cell.camera.depth),
    ):
        np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-9)
        assert T[2, 2] < 0.0, "the optical axis points down"
        table_m = [*cell.table_center_xy_m, cell.table_top_z_m]
        in_camera_m = transform_points(invert(T), table_m)
        u_px, v_px = intrinsics.project(in_camera_m)
        assert in_camera_m[2] > 0.0
        assert 0 <= u_px < intrinsics.width
        assert 0 <= v_px < intrinsics.height


def test_the_workspace_lies_above_the_table_and_within_reach(mapping: dict[str, Any]) -> None:
    cell = Cell.from_mapping(mapping)
    assert np.all(cell.workspace_min_m < cell.workspace_max_m)
    assert cell.workspace_min_m[2] >= cell.table_top_z_m
    assert np.linalg.norm(cell.workspace_max_m[:2]) < 0.9


def test_the_colour_imager_stands_beside_the_depth_origin(mapping: dict[str, Any]) -> None:
    camera = Cell.from_mapping(mapping).camera
    T_depth_color = invert(camera.T_base_depth) @ camera.T_base_color
    np.testing.assert_allclose(T_depth_color[:3, :3], np.eye(3), atol=1e-9)
    assert np.linalg.norm(T_depth_color[:3, 3]) == pytest.approx(
        np.linalg.norm(camera.color_offset_m)
    )


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("camera", None, "lacks the key 'camera'"),
        ("table.top_z_m", None, "top_z_m"),
        ("robot.home_joints_rad", [0.0] * 6, "7 finite numbers"),
        ("table.center_xy_m", [0.0, float("nan")], "2 finite numbers"),
        ("table.top_z_m", "high", "malformed"),
        ("camera.depth_range_m", [0.3], "malformed"),
        ("camera.color", {"width": 640}, "malformed"),
        ("workspace.max_m", [-9.0, -9.0, -9.0], "workspace is empty"),
    ],
)
def test_what_cannot_be_used_is_refused(
    mapping: dict[str, Any], path: str, value: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Cell.from_mapping(set_at(mapping, path, value))

"""Point clouds: geometry, colours, and one layout however they are written."""

import numpy as np
import pytest
from frame_server_double import COLOR
from std_msgs.msg import Header

from spatialbot_model.contracts.transforms import compose
from spatialbot_ros.nodes.point_clouds import (
    POINT,
    CloudWriter,
    available_writers,
    colored_points,
    points_to_msg,
)


@pytest.fixture(params=sorted(available_writers()))
def write(request: pytest.FixtureRequest) -> CloudWriter:
    return available_writers()[request.param]


def scene() -> tuple[np.ndarray, np.ndarray]:
    depth_mm = np.zeros((COLOR.height, COLOR.width), np.uint16)
    color = np.zeros((COLOR.height, COLOR.width, 3), np.uint8)
    depth_mm[100, 200], color[100, 200] = 800, (10, 20, 30)
    depth_mm[400, 630], color[400, 630] = 2000, (255, 128, 1)
    return depth_mm, color


def test_points_are_where_the_pixels_deproject_to() -> None:
    depth_mm, color = scene()
    T_target_color = compose(np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]), [0.1, 0.2, 0.3])
    points = colored_points(depth_mm, color, COLOR, T_target_color)
    expected = COLOR.deproject(np.array([200, 630]), np.array([100, 400]), np.array([0.8, 2.0]))
    expected = expected @ T_target_color[:3, :3].T + T_target_color[:3, 3]
    xyz = np.stack([points["x"], points["y"], points["z"]], axis=-1)
    np.testing.assert_allclose(xyz, expected, atol=1e-6)
    assert [hex(value) for value in points["rgb"].view(np.uint32)] == ["0xa141e", "0xff8001"]


def test_the_message_holds_the_points(write: CloudWriter) -> None:
    points = colored_points(*scene(), COLOR, np.eye(4))
    message = points_to_msg(points, "camera_depth_optical_frame", 2_000_000_001, write)
    assert (message.height, message.width, message.point_step) == (1, 2, 16)
    assert message.row_step == len(message.data) == 32
    assert [(f.name, f.offset) for f in message.fields] == [
        ("x", 0),
        ("y", 4),
        ("z", 8),
        ("rgb", 12),
    ]
    assert message.header == Header(
        stamp=message.header.stamp, frame_id="camera_depth_optical_frame"
    )
    np.testing.assert_array_equal(np.frombuffer(message.data, POINT), points)


def test_an_image_without_depth_is_an_empty_cloud(write: CloudWriter) -> None:
    points = colored_points(*(array * 0 for array in scene()), COLOR, np.eye(4))
    assert points_to_msg(points, "frame", 0, write).width == 0

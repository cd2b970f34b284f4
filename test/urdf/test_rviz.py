"""The RViz configuration names frames and topics that exist."""

from typing import Any

import pytest
import yaml

from spatialbot_model.contracts.resources import find_resource

SUITE_TOPICS = {
    "/robot_description",
    "/spatialbot/ee_pose",
    "/camera/camera/color/image_raw",
    "/camera/camera/aligned_depth_to_color/image_raw",
    "/camera/camera/depth/color/points",
}


@pytest.fixture(scope="module")
def manager() -> dict[str, Any]:
    text = find_resource("config/pick_place.rviz").read_text()
    return dict(yaml.safe_load(text)["Visualization Manager"])


def displays(tree: dict[str, Any]) -> list[dict[str, Any]]:
    return [d for item in tree.get("Displays", []) for d in (item, *displays(item))]


def test_everything_is_drawn_in_the_base_frame(manager: dict[str, Any]) -> None:
    assert manager["Global Options"]["Fixed Frame"] == "fr3_link0"
    assert manager["Views"]["Current"]["Target Frame"] == "fr3_link0"


def test_robot_frames_camera_and_points_are_shown(manager: dict[str, Any]) -> None:
    shown = displays(manager)
    classes = [d["Class"].rpartition("/")[2] for d in shown]
    assert {"RobotModel", "TF", "PointCloud2"} <= set(classes)
    assert classes.count("Image") == 2
    topics = {d[key]["Value"] for d in shown for key in ("Topic", "Description Topic") if key in d}
    assert topics == SUITE_TOPICS

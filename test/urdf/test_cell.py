"""The cell's URDF against the contracts, the simulated world and what the robot reports.

Forward kinematics of the URDF is pinocchio's, of the world MuJoCo's: nothing here is ours
but the descriptions that are compared.
"""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import numpy as np
import pinocchio
import pytest
import yaml
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_model.contracts.transforms import compose, invert, rotation_vector
from spatialbot_ros.fr3_kinematics import forward
from spatialbot_ros.robots import description
from spatialbot_ros.robots.description import cell_description
from spatialbot_sim.tasks import sample_scene
from spatialbot_sim.world import COLOR_CAMERA, DEPTH_CAMERA, ROBOT_PREFIX, build_world, set_arm

POSITION_TOLERANCE_M = 1e-3
ANGLE_TOLERANCE_RAD = 1e-3
FINGER_M = 0.025
JOINTS_RAD = np.vstack(
    [
        [0.0, 0.0, 0.0, -1.6, 0.0, 1.6, 0.0],
        np.random.default_rng(0).uniform(
            [-2.0, -1.2, -2.0, -2.6, -2.0, 0.8, -2.0],
            [2.0, 1.2, 2.0, -0.4, 2.0, 3.8, 2.0],
            (6, 7),
        ),
    ]
)
REALSENSE_FRAMES = (
    "camera_link",
    "camera_color_frame",
    "camera_color_optical_frame",
    "camera_depth_frame",
    "camera_depth_optical_frame",
)
# URDF link: (MuJoCo body, pose of the link in the body)
SIMULATED_LINKS = {
    **{f"fr3_link{i}": (f"{ROBOT_PREFIX}fr3_link{i}", np.eye(4)) for i in range(8)},
    "fr3_hand": (f"{ROBOT_PREFIX}hand", np.eye(4)),
    "fr3_leftfinger": (f"{ROBOT_PREFIX}left_finger", np.eye(4)),
    "fr3_rightfinger": (f"{ROBOT_PREFIX}right_finger", np.eye(4)),
}


class UrdfCell:
    """Poses of the URDF's frames in `fr3_link0`."""

    def __init__(self, urdf: str) -> None:
        self._model = pinocchio.buildModelFromXML(urdf)
        self._data = self._model.createData()

    def frames(self) -> set[str]:
        return {frame.name for frame in self._model.frames}

    def at(self, q_rad: NDArray[np.float64]) -> "UrdfCell":
        q = np.concatenate([q_rad, [FINGER_M, FINGER_M]])
        pinocchio.framesForwardKinematics(self._model, self._data, q)
        return self

    def pose(self, link: str) -> NDArray[np.float64]:
        def in_root(name: str) -> NDArray[np.float64]:
            frame = self._model.getFrameId(name, pinocchio.FrameType.BODY)
            assert frame < self._model.nframes, f"the URDF has no link {name}"
            return np.array(self._data.oMf[frame].homogeneous)

        return invert(in_root("fr3_link0")) @ in_root(link)


@pytest.fixture(scope="module")
def cell() -> Cell:
    return Cell.from_mapping(yaml.safe_load(find_resource("config/cell.yaml").read_text()))


@pytest.fixture(scope="module")
def urdf() -> str:
    return cell_description()


@pytest.fixture(params=range(len(JOINTS_RAD)), ids=lambda i: f"q{i}")
def q_rad(request: pytest.FixtureRequest) -> Iterator[NDArray[np.float64]]:
    return JOINTS_RAD[request.param]


@pytest.fixture(scope="module")
def world(cell: Cell):  # type: ignore[no-untyped-def]
    return build_world(sample_scene("pick_place", 0), cell)


def assert_same_pose(actual: NDArray[np.float64], expected: NDArray[np.float64], what: str) -> None:
    assert_allclose(actual[:3, 3], expected[:3, 3], atol=POSITION_TOLERANCE_M, rtol=0, err_msg=what)
    angle_rad = np.linalg.norm(rotation_vector(actual[:3, :3].T @ expected[:3, :3]))
    assert angle_rad < ANGLE_TOLERANCE_RAD, f"{what} is turned by {angle_rad} rad"


def test_camera_frames_are_those_of_the_contract(urdf: str, cell: Cell) -> None:
    tree = UrdfCell(urdf).at(JOINTS_RAD[0])
    camera = cell.camera
    assert_same_pose(tree.pose("camera_link"), camera.T_base_link, "camera_link")
    assert_same_pose(tree.pose("camera_depth_frame"), camera.T_base_link, "depth body")
    assert_same_pose(
        tree.pose("camera_color_frame"),
        camera.T_base_link @ compose(np.eye(3), camera.color_offset_m),
        "colour body",
    )
    assert_same_pose(tree.pose("camera_color_optical_frame"), camera.T_base_color, "colour")
    assert_same_pose(tree.pose("camera_depth_optical_frame"), camera.T_base_depth, "depth")


def test_camera_link_hangs_directly_under_the_base(urdf: str) -> None:
    """The camera node publishes the same edge; another parent would break the TF tree."""
    parents = {
        joint.find("child").get("link"): joint.find("parent").get("link")  # type: ignore[union-attr]
        for joint in ElementTree.fromstring(urdf).iter("joint")
    }
    assert parents["camera_link"] == "fr3_link0"
    assert parents["camera_color_optical_frame"] == "camera_color_frame"
    assert parents["camera_depth_optical_frame"] == "camera_depth_frame"


def test_calibrated_imagers_are_left_to_the_driver_when_asked() -> None:
    frames = UrdfCell(cell_description(nominal_extrinsics=False)).frames()
    assert "camera_link" in frames
    assert not frames & set(REALSENSE_FRAMES[1:])


def test_table_top_is_where_the_contract_says(urdf: str, cell: Cell) -> None:
    pose = UrdfCell(urdf).at(JOINTS_RAD[0]).pose("table")
    assert_allclose(pose[:3, 3], [*cell.table_center_xy_m, cell.table_top_z_m], atol=1e-9)
    table = next(x for x in ElementTree.fromstring(urdf).iter("link") if x.get("name") == "table")
    collision = table.find("collision")
    assert collision is not None
    size_m = np.array(collision.find("geometry/box").get("size").split(), float)  # type: ignore[union-attr]
    centre_z_m = float(collision.find("origin").get("xyz").split()[2])  # type: ignore[union-attr]
    assert_allclose(size_m, [*cell.table_size_xy_m, cell.table_thickness_m])
    assert centre_z_m + size_m[2] / 2 == pytest.approx(0.0)


def test_links_agree_with_the_simulated_world(urdf: str, world, q_rad) -> None:  # type: ignore[no-untyped-def]
    tree = UrdfCell(urdf).at(q_rad)
    set_arm(world, q_rad, np.full(2, FINGER_M))
    for link, (body, T_body_link) in SIMULATED_LINKS.items():
        found = world.data.body(body)
        T_base_body = compose(found.xmat.reshape(3, 3), found.xpos)
        assert_same_pose(tree.pose(link), T_base_body @ T_body_link, link)


def test_tool_centre_point_is_what_the_simulated_robot_reports(urdf: str, q_rad) -> None:  # type: ignore[no-untyped-def]
    from franky_sim.mujoco_simulator import MujocoSimulator

    robot = MujocoSimulator().add_robot()
    tcp = UrdfCell(urdf).at(q_rad).pose("fr3_hand_tcp")
    assert_same_pose(tcp, robot.kinematics(q_rad).homogeneous, "O_T_EE of the simulated robot")
    assert_same_pose(tcp, forward(q_rad)[0], "fr3_kinematics")


@pytest.mark.parametrize(
    ("camera", "link"),
    [(COLOR_CAMERA, "camera_color_optical_frame"), (DEPTH_CAMERA, "camera_depth_optical_frame")],
)
def test_cameras_agree_with_the_simulated_world(urdf: str, world, camera: str, link: str) -> None:  # type: ignore[no-untyped-def]
    found = world.data.camera(camera)
    # MuJoCo cameras look along -z with y up
    R = found.xmat.reshape(3, 3) @ np.diag([1.0, -1.0, -1.0])
    tree = UrdfCell(urdf).at(JOINTS_RAD[0])
    assert_same_pose(tree.pose(link), compose(R, found.xpos), camera)


def test_table_agrees_with_the_simulated_world(urdf: str, world) -> None:  # type: ignore[no-untyped-def]
    geom = world.model.geom("table_top")
    half_m = geom.size
    top_m = world.data.geom("table_top").xpos + np.array([0.0, 0.0, half_m[2]])
    tree = UrdfCell(urdf).at(JOINTS_RAD[0])
    assert_allclose(tree.pose("table")[:3, 3], top_m, atol=POSITION_TOLERANCE_M)


def test_every_mesh_can_be_opened(urdf: str) -> None:
    names = {mesh.get("filename", "") for mesh in ElementTree.fromstring(urdf).iter("mesh")}
    assert len(names) >= 9
    for name in names:
        assert name.startswith("file://")
        assert Path(unquote(urlparse(name).path)).is_file(), name


def test_finished_urdf_may_be_named(tmp_path: Path) -> None:
    arm = tmp_path / "arm.urdf"
    arm.write_text(
        '<robot name="fr3"><link name="fr3_link0"><visual><geometry>'
        '<mesh filename="arm.stl"/></geometry></visual></link></robot>'
    )
    text = cell_description(str(arm))
    assert (tmp_path / "arm.stl").as_uri() in text
    assert 'link="fr3_link0"' in text


def test_a_missing_urdf_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no-such-arm"):
        cell_description("/no-such-arm.urdf")


def test_without_any_fr3_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(description.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    with pytest.raises(MissingDependencyError, match=r"franka_description.*franky-sim"):
        cell_description()


def test_franka_description_is_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a desktop: found through the ament index, its meshes stay package:// URLs."""
    marker = tmp_path / "share/ament_index/resource_index/packages/franka_description"
    model = tmp_path / "share/franka_description/robots/fr3/fr3.urdf.xacro"
    for path in (marker, model):
        path.parent.mkdir(parents=True)
    marker.touch()
    model.write_text(
        '<robot name="fr3" xmlns:xacro="http://www.ros.org/wiki/xacro"><xacro:arg name="hand"'
        ' default="true"/><link name="fr3_link0"><visual><geometry><mesh filename='
        '"package://franka_description/meshes/link0.dae"/></geometry></visual></link></robot>'
    )
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    text = cell_description()
    assert "package://franka_description/meshes/link0.dae" in text
    assert 'name="camera_color_optical_frame"' in text

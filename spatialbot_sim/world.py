"""The MuJoCo world of a scene: FR3 with hand, table, boards, objects and two cameras.

World frame = base frame `fr3_link0`. Arm, hand, inertias and joint limits are franky-sim's;
only what is drawn is replaced: its collision meshes instead of the 80 MB of visual meshes,
because rendering cost is vertices (6 ms instead of 230 ms a frame, measured).
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

import mujoco
import numpy as np
from franky_sim.mujoco_simulator import MujocoSimulator
from numpy.typing import NDArray

from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.errors import SimulationError
from spatialbot_model.contracts.transforms import Matrix, matrix_to_quaternion
from spatialbot_model.contracts.types import CameraIntrinsics
from spatialbot_sim.objects import (
    PlacedObject,
    PlacedObstacle,
    PlacedThing,
    add_board,
    add_holder,
    add_object,
    add_obstacle,
    add_print,
)
from spatialbot_sim.tasks import Scene

TIMESTEP_S = 0.001
"""libfranka's control period."""

ROBOT_PREFIX = "robot0_"
COLOR_CAMERA = "color"
DEPTH_CAMERA = "depth"
DRAWN_GROUP = 2
HIDDEN_GROUP = 3
JOINT_NAMES = tuple(f"{ROBOT_PREFIX}fr3_joint{i}" for i in range(1, 8))
FINGER_NAMES = tuple(f"{ROBOT_PREFIX}finger_joint{i}" for i in (1, 2))
FINGER_BODIES = tuple(f"{ROBOT_PREFIX}{side}_finger" for side in ("left", "right"))
TABLE_BODY = "table"
HAND_OPEN_M = 0.08

_FINGER_FRICTION_N = 0.2
"""Without it the finger joints ring after contact and a grasp never settles."""

_FLOOR_BELOW_TABLE_M = 0.75
_CYLINDERS = ("bottle", "can")
_SETTLE_LIMIT_S = 1.5
_SETTLED_SPEED = 2e-3
_SETTLE_SHIFT_LIMIT_M = 0.01

_LINK_MATERIALS = {
    **{f"link{i}_coll": "robot_white" for i in range(6)},
    "link6_coll": "robot_white",
    "link7_coll": "robot_dark",
    "hand_coll": "robot_white",
    "finger_0": "robot_grey",
}


@dataclass(slots=True)
class World:
    """A compiled world and its state.

    Attributes:
        body_ids: MuJoCo id of every object, board, holder and obstacle by name.
    """

    scene: Scene
    model: mujoco.MjModel
    data: mujoco.MjData
    body_ids: dict[str, int]

    def body_position_m(self, name: str) -> NDArray[np.float64]:
        """Origin of a body in the base frame, shape (3,)."""
        return np.array(self.data.xpos[self.body_ids[name]])

    def move_thing(self, name: str, T_base_thing: NDArray[np.float64]) -> None:
        """Put a free object somewhere else, at rest; what it touches there is not looked at."""
        joint = self.model.joint(f"{name}_joint")
        q, dq = int(joint.qposadr[0]), int(joint.dofadr[0])
        qx, qy, qz, qw = matrix_to_quaternion(T_base_thing[:3, :3])
        self.data.qpos[q : q + 7] = (*T_base_thing[:3, 3], qw, qx, qy, qz)
        self.data.qvel[dq : dq + 6] = 0.0

    def body_speed_m_s(self, name: str) -> float:
        """Linear speed of a free object."""
        address = self.model.jnt_dofadr[self.model.joint(f"{name}_joint").id]
        return float(np.linalg.norm(self.data.qvel[address : address + 3]))


def build_world(scene: Scene, cell: Cell) -> World:
    """Compile the world with the arm at home, hand open and the objects where the scene says.

    Raises:
        SimulationError: MuJoCo refuses the world.
    """
    xml = build_mjcf(scene, cell)
    try:
        model = mujoco.MjModel.from_xml_string(xml)
    except ValueError as error:
        raise SimulationError(
            f"the world of {scene.task} seed {scene.seed} does not compile: {error}"
        ) from error
    data = mujoco.MjData(model)
    things: tuple[PlacedObject | PlacedThing | PlacedObstacle, ...]
    things = (*scene.objects, *scene.boards, *scene.holders, *scene.obstacles)
    names = [thing.name for thing in things]
    world = World(
        scene=scene,
        model=model,
        data=data,
        body_ids={name: model.body(name).id for name in names},
    )
    for name in FINGER_NAMES:
        model.dof_frictionloss[model.joint(name).dofadr[0]] = _FINGER_FRICTION_N
    set_arm(world, cell.home_joints_rad, np.full(2, HAND_OPEN_M / 2))
    return world


def set_arm(world: World, q_rad: NDArray[np.float64], finger_m: NDArray[np.float64]) -> None:
    """Put arm (7,) and fingers (2,) [m each] where they are told, at rest."""
    for name, value in zip((*JOINT_NAMES, *FINGER_NAMES), (*q_rad, *finger_m), strict=True):
        joint = world.model.joint(name)
        world.data.qpos[joint.qposadr[0]] = value
        world.data.qvel[joint.dofadr[0]] = 0.0
    mujoco.mj_forward(world.model, world.data)


def settle(world: World) -> None:
    """Let the objects come to rest while the arm is held; restores the time afterwards.

    Raises:
        SimulationError: something moved away, so the scene is not what the task says.
    """
    model, data = world.model, world.data
    start_s = data.time
    pinned = [model.joint(name) for name in (*JOINT_NAMES, *FINGER_NAMES)]
    qpos_index = np.array([joint.qposadr[0] for joint in pinned])
    dof_index = np.array([joint.dofadr[0] for joint in pinned])
    qpos = data.qpos[qpos_index].copy()
    free: tuple[PlacedObject | PlacedObstacle, ...]
    free = (*world.scene.objects, *world.scene.obstacles)
    names = [thing.name for thing in free]
    for step in range(round(_SETTLE_LIMIT_S / TIMESTEP_S)):
        mujoco.mj_step(model, data)
        data.qpos[qpos_index] = qpos
        data.qvel[dof_index] = 0.0
        if step >= 50 and all(world.body_speed_m_s(name) < _SETTLED_SPEED for name in names):
            break
    data.time = start_s
    mujoco.mj_forward(model, data)
    for item in free:
        # the height counts, too: an arm on top pushes an object into the table
        laid_m = model.body(item.name).pos
        shift_m = float(np.linalg.norm(world.body_position_m(item.name) - laid_m))
        if shift_m > _SETTLE_SHIFT_LIMIT_M:
            raise SimulationError(
                f"{item.name} did not stay where the scene lays it (moved {shift_m * 1e3:.0f} mm);"
                " probably the arm is in the way. Move it home, then reset again."
            )


def build_mjcf(scene: Scene, cell: Cell) -> str:
    """MJCF text of the world."""
    template = MujocoSimulator()
    template.add_robot()
    root, worldbody = template.scene, template.worldbody
    asset = _child(root, "asset")
    _draw_collision_meshes(root, worldbody, asset)
    _set_visuals(root, worldbody, asset)
    _remove_actuators(root)
    _add_furniture(worldbody, cell)
    _add_camera(worldbody, COLOR_CAMERA, cell.camera.T_base_color, cell.camera.color)
    _add_camera(worldbody, DEPTH_CAMERA, cell.camera.T_base_depth, cell.camera.depth)
    for board in scene.boards:
        add_board(worldbody, board, cell.table_top_z_m)
    for item in scene.objects:
        add_object(worldbody, asset, item, cell.table_top_z_m)
    for holder in scene.holders:
        add_holder(worldbody, holder, cell.table_top_z_m)
    for obstacle in scene.obstacles:
        add_obstacle(worldbody, asset, obstacle, cell.table_top_z_m)
    for sheet in scene.prints:
        add_print(worldbody, asset, sheet, cell.camera.T_base_color, cell.table_top_z_m)
    _part_the_wrist(root)
    option = _child(root, "option")
    option.set("timestep", str(TIMESTEP_S))
    # in MuJoCo's default friction cone a ball creeps out of the fingers within a second (measured)
    option.set("cone", "elliptic")
    option.set("impratio", "10")
    if scene.obstacles or any(item.kind in _CYLINDERS for item in scene.objects):
        # with the default 35 iterations the contact of a cylinder with the fingertips' small pads
        # points sideways now and then, and a bottle that is let go sticks to one finger (measured)
        option.set("ccd_iterations", "300")
        option.set("ccd_tolerance", "1e-8")
    return ET.tostring(root, encoding="unicode")


def _draw_collision_meshes(root: ET.Element, worldbody: ET.Element, asset: ET.Element) -> None:
    for parent in list(worldbody.iter()):
        for geom in list(parent.findall("geom")):
            if geom.get("class") == "visual":
                parent.remove(geom)
            elif (mesh := geom.get("mesh")) in _LINK_MATERIALS:
                geom.set("group", str(DRAWN_GROUP))
                geom.set("material", _LINK_MATERIALS[mesh])
            elif geom.get("class", "").startswith("fingertip"):
                geom.set("group", str(DRAWN_GROUP))
                geom.set("material", "robot_black")
    for mesh_element in list(asset.findall("mesh")):
        if mesh_element.get("name") not in _LINK_MATERIALS:
            asset.remove(mesh_element)


def _set_visuals(root: ET.Element, worldbody: ET.Element, asset: ET.Element) -> None:
    for tag in ("texture", "material"):
        for element in list(asset.findall(tag)):
            asset.remove(element)
    for tag in ("light", "geom"):
        for element in list(worldbody.findall(tag)):
            worldbody.remove(element)
    visual = _child(root, "visual")
    visual.clear()
    ET.SubElement(
        visual, "headlight", ambient=".34 .34 .35", diffuse=".22 .22 .22", specular="0 0 0"
    )
    # no multisampling: it blends the depth of edges into values that are nowhere in the scene
    ET.SubElement(visual, "quality", offsamples="0", shadowsize="0")
    ET.SubElement(visual, "map", znear="0.02", zfar="20")
    ET.SubElement(visual, "global", offwidth="1280", offheight="960")
    ET.SubElement(root, "statistic", extent="1", center="0.5 0 0.2")
    for name, rgba, shine in (
        ("robot_white", ".93 .94 .95 1", 0.3),
        ("robot_grey", ".62 .64 .67 1", 0.3),
        ("robot_dark", ".22 .23 .26 1", 0.3),
        ("robot_black", ".12 .12 .13 1", 0.0),
        ("table", ".74 .75 .77 1", 0.0),
        ("table_edge", ".45 .46 .48 1", 0.0),
        ("floor", ".50 .52 .55 1", 0.0),
        ("wood", ".70 .53 .36 1", 0.0),
        ("groove", ".55 .40 .26 1", 0.0),
    ):
        ET.SubElement(asset, "material", name=name, rgba=rgba, specular=str(shine), shininess="0.4")
    for position, direction, strength in (
        ("0.9 -0.8 2.0", "-0.25 0.35 -1", ".42"),
        ("0.6 1.0 1.6", "-0.1 -0.8 -0.9", ".16"),
    ):
        ET.SubElement(
            worldbody,
            "light",
            pos=position,
            dir=direction,
            type="directional",
            diffuse=f"{strength} {strength} {strength}",
            specular=".15 .15 .15",
            castshadow="false",
        )


def _remove_actuators(root: ET.Element) -> None:
    """The libfranka server drives the joints by torques; the template's actuators would fight."""
    for tag in ("actuator", "tendon"):
        _child(root, tag).clear()


def _part_the_wrist(root: ET.Element) -> None:
    """MuJoCo takes the convex hulls of the meshes, and into that of link 5, which is hollow towards
    the wrist, link 7 and hand reach where the meshes keep 20 mm apart (tested).
    """
    for body in ("fr3_link7", "hand"):
        ET.SubElement(
            _child(root, "contact"),
            "exclude",
            body1=f"{ROBOT_PREFIX}fr3_link5",
            body2=ROBOT_PREFIX + body,
        )


def _add_furniture(worldbody: ET.Element, cell: Cell) -> None:
    half_x, half_y = cell.table_size_xy_m / 2
    x, y = cell.table_center_xy_m
    top, half_z = cell.table_top_z_m, cell.table_thickness_m / 2
    drawn = {"group": str(DRAWN_GROUP), "type": "box"}
    ghost = {**drawn, "contype": "0", "conaffinity": "0"}
    table = ET.SubElement(worldbody, "body", name=TABLE_BODY, pos=f"{x} {y} {top - half_z}")
    ET.SubElement(
        table, "geom", drawn, name="table_top", material="table",
        size=f"{half_x} {half_y} {half_z}", friction="1 .005 .0001",
    )  # fmt: skip
    leg_half = (_FLOOR_BELOW_TABLE_M - 2 * half_z) / 2
    leg_z = -half_z - leg_half
    for sx in (-1, 1):
        for sy in (-1, 1):
            at = f"{sx * (half_x - 0.06)} {sy * (half_y - 0.06)} {leg_z}"
            ET.SubElement(
                table, "geom", ghost, material="table_edge", size=f".03 .03 {leg_half}", pos=at
            )
    # what the base stands on, behind the table's edge
    ET.SubElement(
        worldbody, "geom", ghost, material="table_edge", size=f".16 .14 {_FLOOR_BELOW_TABLE_M / 2}",
        pos=f"-0.16 0 {top - _FLOOR_BELOW_TABLE_M / 2}",
    )  # fmt: skip
    ET.SubElement(
        worldbody, "geom", type="plane", material="floor", size="8 8 .1",
        pos=f"0 0 {top - _FLOOR_BELOW_TABLE_M}", group=str(DRAWN_GROUP),
    )  # fmt: skip


def _add_camera(
    worldbody: ET.Element, name: str, T_base_optical: Matrix, intrinsics: CameraIntrinsics
) -> None:
    # MuJoCo cameras look along -z with y up, optical frames along +z with y down
    qx, qy, qz, qw = matrix_to_quaternion(T_base_optical[:3, :3] @ np.diag([1.0, -1.0, -1.0]))
    x, y, z = T_base_optical[:3, 3]
    # our pixel (0, 0) is the centre of the corner pixel; MuJoCo's offset counts from the middle of
    # the image and moves the image plane, not the picture (with the other sign all is off by one)
    offset_x = (intrinsics.width - 1) / 2 - intrinsics.cx_px
    offset_y = (intrinsics.height - 1) / 2 - intrinsics.cy_px
    ET.SubElement(
        worldbody,
        "camera",
        name=name,
        pos=f"{x:.9f} {y:.9f} {z:.9f}",
        quat=f"{qw:.9f} {qx:.9f} {qy:.9f} {qz:.9f}",
        resolution=f"{intrinsics.width} {intrinsics.height}",
        focalpixel=f"{intrinsics.fx_px} {intrinsics.fy_px}",
        principalpixel=f"{offset_x} {offset_y}",
        sensorsize=f"{intrinsics.width * 1e-5} {intrinsics.height * 1e-5}",
    )


def _child(root: ET.Element, tag: str) -> ET.Element:
    element = root.find(tag)
    if element is None:
        raise SimulationError(
            f"franky-sim's world template has no <{tag}>; is it version 1.0.4 as pinned?"
        )
    return element

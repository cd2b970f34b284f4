"""A test double of a recorded run: writes an episode without ROS, message by message."""

from pathlib import Path
from typing import Any

import numpy as np

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.transforms import matrix_to_quaternion
from spatialbot_model.contracts.types import BASE_FRAME, COLOR_OPTICAL_FRAME
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.episodes.message_types import message_types
from spatialbot_ros.episodes.writer import EpisodeWriter

WIDTH, HEIGHT = 64, 48
FIRST_NS, STEP_NS = 2_000_000_000, 100_000_000
SPEC = ActionSpec()
METADATA = contract.EpisodeMetadata(
    task="pick_place",
    instruction="put the red cube on the left board",
    action_spec=SPEC.to_mapping(),
    seed=1,
    robot="double",
    start_ns=FIRST_NS,
)


def stamp_of(step: int) -> int:
    return FIRST_NS + step * STEP_NS


def color_of(step: int) -> np.ndarray:
    return np.random.default_rng(step).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def depth_of(step: int) -> np.ndarray:
    depth = np.random.default_rng(step).integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
    depth[0, 0] = 0
    return depth


def build(ros_type: str, **fields: Any) -> Any:
    """A message with defaults of zero."""
    store = message_types()
    definition = store.get_msgdef(ros_type)
    values = {}
    for name, (kind, detail) in definition.fields:
        if name in fields:
            values[name] = fields[name]
        elif kind == 1:
            values[name] = {"string": ""}.get(detail[0], 0)
        elif kind == 2:
            values[name] = build(detail)
        else:
            length = detail[1] if kind == 3 else 0
            scalar = detail[0][1][0] if detail[0][0] == 1 else ""
            is_array = scalar not in ("string", "")
            values[name] = np.zeros(length, _NUMPY.get(scalar, scalar)) if is_array else []
    return store.types[ros_type](**values)


_NUMPY = {"octet": "uint8"}


def stamp(ns: int) -> Any:
    return build("builtin_interfaces/msg/Time", sec=ns // 10**9, nanosec=ns % 10**9)


def header(ns: int, frame: str = BASE_FRAME) -> Any:
    return build("std_msgs/msg/Header", stamp=stamp(ns), frame_id=frame)


def image(array: np.ndarray, encoding: str, ns: int) -> Any:
    return build(
        "sensor_msgs/msg/Image",
        header=header(ns, COLOR_OPTICAL_FRAME),
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        step=array[0].nbytes,
        data=np.frombuffer(array.tobytes(), np.uint8),
    )


def static_transform() -> Any:
    T = load_cell().camera.T_base_color
    q = matrix_to_quaternion(T[:3, :3])
    transform = build(
        "geometry_msgs/msg/Transform",
        translation=build("geometry_msgs/msg/Vector3", x=T[0, 3], y=T[1, 3], z=T[2, 3]),
        rotation=build("geometry_msgs/msg/Quaternion", x=q[0], y=q[1], z=q[2], w=q[3]),
    )
    stamped = build(
        "geometry_msgs/msg/TransformStamped",
        header=header(FIRST_NS),
        child_frame_id=COLOR_OPTICAL_FRAME,
        transform=transform,
    )
    return build("tf2_msgs/msg/TFMessage", transforms=[stamped])


def messages_of(step: int, ns: int | None = None) -> dict[str, Any]:
    """Every topic that comes at each control step; `ns` instead of the step's own stamp."""
    ns = stamp_of(step) if ns is None else ns
    k = np.array([WIDTH, 0, WIDTH / 2, 0, WIDTH, HEIGHT / 2, 0, 0, 1.0])
    info = build(
        "sensor_msgs/msg/CameraInfo",
        header=header(ns, COLOR_OPTICAL_FRAME),
        width=WIDTH,
        height=HEIGHT,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
    )
    point = build("geometry_msgs/msg/Point", x=0.5, y=0.02 * step - 0.1, z=0.2)
    pose = build(
        "geometry_msgs/msg/Pose",
        position=point,
        orientation=build("geometry_msgs/msg/Quaternion", x=1.0, y=0.0, z=0.0, w=0.0),
    )
    msgs = "spatialbot_msgs/msg"
    return {
        contract.COLOR_INFO_TOPIC: info,
        contract.DEPTH_INFO_TOPIC: info,
        contract.COLOR_TOPIC: image(color_of(step), "rgb8", ns),
        contract.DEPTH_TOPIC: image(depth_of(step), "16UC1", ns),
        contract.JOINTS_TOPIC: build(
            "sensor_msgs/msg/JointState",
            header=header(ns),
            name=["fr3_joint1", "fr3_joint2"],
            position=np.array([0.1 * step, -0.2]),
        ),
        contract.EE_POSE_TOPIC: build(
            "geometry_msgs/msg/PoseStamped",
            header=header(ns),
            pose=pose,
        ),
        contract.GRIPPER_TOPIC: build(
            f"{msgs}/GripperState", header=header(ns), width=0.04, closed_command=step > 3
        ),
        contract.EXECUTOR_STATE_TOPIC: build(
            f"{msgs}/ExecutorState",
            header=header(ns),
            state="running",
            measured=pose,
            target=pose,
        ),
        contract.ACTION_TOPIC: build(
            f"{msgs}/DeltaAction",
            header=header(ns),
            observation_stamp=stamp(ns),
            source="policy",
            action_spec_id=SPEC.id,
        ),
        contract.POLICY_STEP_TOPIC: build(
            f"{msgs}/PolicyStep",
            header=header(ns),
            text="The robot should <0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 0>.",
            stage="reach",
        ),
    }


def encode(topic: str, message: Any) -> bytes:
    ros_type = contract.EPISODE_TOPICS[topic].ros_type
    return bytes(message_types().serialize_cdr(message, ros_type))


def write_step(writer: EpisodeWriter, step: int, **replacements: Any) -> dict[str, bytes]:
    """Write one step; returns the bytes per topic. Replacements are by `contract` name."""
    changed = {getattr(contract, name): message for name, message in replacements.items()}
    written = {}
    for topic, message in {**messages_of(step), **changed}.items():
        if message is not None:
            written[topic] = encode(topic, message)
            assert writer.write(topic, written[topic], stamp_of(step))
    return written


def write_episode(
    folder: Path,
    num_steps: int = 6,
    *,
    formats: ImageFormats | None = None,
    metadata: contract.EpisodeMetadata = METADATA,
    label: str = "success",
) -> Path:
    """A complete episode."""
    writer = open_writer(folder, formats=formats, metadata=metadata)
    for step in range(num_steps):
        write_step(writer, step)
    writer.close(label, "done", stamp_of(num_steps))
    return folder


def open_writer(folder: Path, **options: Any) -> EpisodeWriter:
    """A writer with an open episode whose static transforms are written."""
    writer = EpisodeWriter(
        folder,
        options.pop("metadata", METADATA),
        **{"reserve_bytes": 0, "durable": False, **options},
    )
    writer.open()
    static = encode(contract.STATIC_TF_TOPIC, static_transform())
    writer.write(contract.STATIC_TF_TOPIC, static, FIRST_NS)
    return writer

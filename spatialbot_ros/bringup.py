"""The one table of nodes: what runs, with which parameters, for which launch arguments.

``launch/pick_place.launch.py`` (genuine launch_ros) and ``spatialbot up`` (machines without it)
both read `pick_place_nodes`, so that they cannot differ.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.hardware_confirmation import (
    CONFIRMATION,
    check_hardware_confirmed,
    is_hardware,
    speed_factor_of,
)
from spatialbot_ros.robots.backends import BACKENDS, VELOCITY
from spatialbot_ros.robots.description import cell_description

PACKAGE = "spatialbot_ros"
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

ParameterValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class LaunchArgument:
    """One described argument of the launch file and of `spatialbot up`.

    Its default decides its type; values arrive as text, as ROS launch hands them over.
    """

    name: str
    default: bool | int | float | str
    description: str
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> ParameterValue:
        """Text to a value of the default's type.

        Raises:
            ConfigurationError: not of that type; `UnknownNameError`: not a choice.
        """
        if self.choices and text not in self.choices:
            raise UnknownNameError(self.name, text, self.choices)
        if isinstance(self.default, bool):
            if text.lower() not in _BOOLEANS:
                raise ConfigurationError(f"{self.name}:={text} is neither true nor false")
            return _BOOLEANS[text.lower()]
        try:
            return type(self.default)(text)
        except ValueError as error:
            kind = type(self.default).__name__
            raise ConfigurationError(f"{self.name}:={text} is no {kind}") from error

    @property
    def default_text(self) -> str:
        """The default as ROS launch wants it."""
        return str(self.default).lower() if isinstance(self.default, bool) else str(self.default)


PICK_PLACE_ARGUMENTS: tuple[LaunchArgument, ...] = (
    LaunchArgument("simulation", True, "run the simulated lab instead of hardware"),
    LaunchArgument("camera", "auto", "camera by name; auto = simulated or realsense"),
    LaunchArgument("serial_no", "", "serial number of the RealSense; empty = the only one"),
    LaunchArgument("robot", "franky", "arm by name", ("franky", "memory")),
    LaunchArgument(
        "backend", VELOCITY, "how the arm follows: stiffly, or giving way to contacts", BACKENDS
    ),
    LaunchArgument("robot_ip", "127.0.0.61", "address of the robot or of the simulated lab"),
    LaunchArgument(CONFIRMATION, False, "true after reading docs/safety.md; a real robot needs it"),
    LaunchArgument(
        "speed_factor",
        0.0,
        "share of the speed limits, 0.05 to 1; 0 = 1 in simulation, 0.2 with a real robot",
    ),
    LaunchArgument("policy", "classical", "policy by name: classical, local or remote"),
    LaunchArgument("checkpoint", "", "folder with the weights of policy local"),
    LaunchArgument("device", "auto", "where policy local puts them: auto, cpu, cuda or cuda:N"),
    LaunchArgument("url", "", "server of policy remote, ws://host:port"),
    LaunchArgument("ssh", "", "user@host to reach that server through; empty = directly"),
    LaunchArgument("token_file", "", "file with that server's token"),
    LaunchArgument(
        "allow_unencrypted", False, "reach that server over a network with neither TLS nor ssh"
    ),
    LaunchArgument("ca_file", "", "PEM certificates to trust with wss://; empty = the system's"),
    LaunchArgument(
        "teleop_hold_off", 1.0, "robot seconds after a person's last action until the policy acts"
    ),
    LaunchArgument("instruction", "", "execute this once everything runs; empty = wait for goals"),
    LaunchArgument("record", True, "run the episode recorder"),
    LaunchArgument("record_directory", "out/episodes", "where episodes are written"),
    LaunchArgument("viewer", "none", "live view of the run", ("none", "rerun", "rviz")),
    LaunchArgument("viewer_path", "", "write the rerun recording here instead of showing it"),
    LaunchArgument("task", "pick_place", "simulated task"),
    LaunchArgument("seed", 0, "seed of the simulated scene"),
    LaunchArgument("speed", 1.0, "simulated seconds per wall second, at most"),
)

_RESPAWNED = ("camera", "depth_service", "viewer")
_POLICY_ARGUMENTS = (
    *("policy", "checkpoint", "device", "url", "ssh", "token_file", "ca_file"),
    "allow_unencrypted",
)


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One process.

    Attributes:
        name, namespace: the ROS node name.
        package, executable: what launch_ros starts (`ros2 run PACKAGE EXECUTABLE`).
        module: the same as a Python module, "" for executables of other packages.
        parameters: ROS parameters by name.
        arguments: further command-line arguments.
        respawn: started again after a crash (`supervisor`); what keeps nothing that would be
            missed, and no arm.
    """

    name: str
    executable: str
    module: str
    namespace: str = "/"
    package: str = PACKAGE
    parameters: Mapping[str, ParameterValue] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    respawn: bool = False


def supervisor_command() -> tuple[str, ...]:
    """What a command is prefixed with to be started again after a crash."""
    return sys.executable, "-m", "spatialbot_ros.supervisor", "--"


def split_assignments(texts: Iterable[str]) -> dict[str, str]:
    """`NAME:=VALUE` texts of a command line by name.

    Raises:
        ConfigurationError: a text is none.
    """
    values = {}
    for text in texts:
        name, separator, value = text.partition(":=")
        if not separator:
            raise ConfigurationError(f"{text!r} is not an argument; expected NAME:=VALUE")
        values[name] = value
    return values


def parse_arguments(values: Mapping[str, str]) -> dict[str, ParameterValue]:
    """Given texts by name, the others by default.

    Raises:
        UnknownNameError: no such argument.
        ConfigurationError: a value of the wrong type.
    """
    known = {argument.name: argument for argument in PICK_PLACE_ARGUMENTS}
    for name in values:
        if name not in known:
            raise UnknownNameError("launch argument", name, known)
    return {
        name: argument.parse(values[name]) if name in values else argument.default
        for name, argument in known.items()
    }


def pick_place_nodes(values: Mapping[str, str]) -> tuple[NodeSpec, ...]:
    """The processes of pick and place, in starting order.

    Raises:
        ConfigurationError: an argument cannot be used.
    """
    a = parse_arguments(values)
    simulation = bool(a["simulation"])
    robot, address, confirmed = str(a["robot"]), str(a["robot_ip"]), bool(a[CONFIRMATION])
    if simulation and is_hardware("simulated", address):
        raise ConfigurationError(
            f"robot_ip:={address} is no loopback address, and the simulated lab is served on those"
            " only: use one such as 127.0.0.61, or simulation:=false for a real robot"
        )
    check_hardware_confirmed(robot, address, confirmed)
    speed_factor = speed_factor_of(robot, address, float(a["speed_factor"]))
    common: dict[str, ParameterValue] = {"use_sim_time": simulation}
    camera = a["camera"]
    if camera == "auto":
        camera = "simulated" if simulation else "realsense"
    nodes = []
    if simulation:
        nodes.append(
            _node(
                "simulation",
                {"address": a["robot_ip"], "task": a["task"], "seed": a["seed"]}
                | {"speed": a["speed"]},
            )
        )
    rviz = a["viewer"] == "rviz"
    nodes += [
        _node(
            "camera",
            {**common, "camera": camera, "address": a["robot_ip"], "serial_no": a["serial_no"]}
            # with RViz the robot_state_publisher gives the camera's pose, from the same file
            | {"publish_base_tf": not rviz}
            # the lab is up within a second or two; no need to back off for longer
            | ({"reconnect_timeout": 1.0} if simulation else {}),
            namespace="/camera",
        ),
        _node(
            "executor",
            {**common, "robot": robot, "robot_ip": address}
            | {CONFIRMATION: confirmed, "speed_factor": speed_factor, "backend": a["backend"]}
            | {"teleop_hold_off_s": a["teleop_hold_off"]},
        ),
        _node("depth_service", common),
        _node("vla", common | {name: a[name] for name in _POLICY_ARGUMENTS}),
    ]
    if a["record"]:
        nodes.append(
            _node(
                "recorder",
                {**common, "output_directory": a["record_directory"]}
                | {"robot": f"{a['robot']} {a['robot_ip']}", "camera": camera},
            )
        )
    if a["viewer"] == "rerun":
        mode = "save" if a["viewer_path"] else "spawn"
        nodes.append(_node("viewer", {**common, "mode": mode, "path": a["viewer_path"]}))
    if rviz:
        nodes += _rviz_nodes(common)
    if a["instruction"]:
        nodes.append(_node("instruct", {**common, "instruction": a["instruction"]}))
    return tuple(nodes)


def _node(name: str, parameters: Mapping[str, ParameterValue], namespace: str = "/") -> NodeSpec:
    return NodeSpec(
        name=name,
        executable=f"{name}_node",
        module=f"spatialbot_ros.nodes.{name}",
        namespace=namespace,
        parameters=dict(parameters),
        respawn=name in _RESPAWNED,
    )


def _rviz_nodes(common: Mapping[str, ParameterValue]) -> list[NodeSpec]:
    """What a ROS desktop adds: the robot's model and RViz."""
    description = cell_description(nominal_extrinsics=False)
    return [
        NodeSpec(
            name="robot_state_publisher",
            package="robot_state_publisher",
            executable="robot_state_publisher",
            module="",
            parameters={**common, "robot_description": description},
        ),
        NodeSpec(
            name="rviz",
            package="rviz2",
            executable="rviz2",
            module="",
            parameters=dict(common),
            arguments=("-d", str(find_resource("config/pick_place.rviz"))),
        ),
    ]

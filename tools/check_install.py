"""Check what `colcon build` installed: run it with the Python that built, naming install/.

Everything is looked at as a user of the sourced workspace would: from a folder outside the
checkout, with the environment that install/setup.bash makes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("package.xml", "config/cell.yaml", "urdf/cell.urdf.xacro", "config/pick_place.rviz")

_PROBE = """
import importlib.metadata, pathlib, sys
import spatialbot_model, spatialbot_msgs.msg, spatialbot_msgs.srv, spatialbot_msgs.action
import spatialbot_ros, spatialbot_sim
from ament_index_python.packages import get_package_share_directory
install = pathlib.Path(sys.argv[1]).resolve()
modules = (spatialbot_model, spatialbot_msgs.msg, spatialbot_ros, spatialbot_sim)
for module in modules:
    place = pathlib.Path(module.__file__).resolve()
    assert install in place.parents, f"{module.__name__} comes from {place}, not from {install}"
share = pathlib.Path(get_package_share_directory("spatialbot_ros")).resolve()
assert install in share.parents, f"the share folder is {share}, not below {install}"
for name in sys.argv[2:]:
    assert (share / name).is_file(), f"{name} is not in {share}"
scripts = {
    point.name
    for point in importlib.metadata.distribution("spatialbot-ros").entry_points
    if point.group == "console_scripts"
}
executables = {path.name for path in (share.parents[1] / "lib" / "spatialbot_ros").iterdir()}
assert scripts <= executables, f"`ros2 run` lacks {sorted(scripts - executables)}"
print(f"{len(modules)} packages, {len(sys.argv) - 2} files, {len(scripts)} executables: in place")
"""


def main() -> int:
    """Probe the installation; returns the exit code."""
    install = (ROOT / sys.argv[1]).resolve()
    environment = os.environ | {"PROBE": _PROBE, "PREFIX": str(install)}
    source = 'source "$PREFIX/setup.bash" && exec "$0" -c "$PROBE" "$PREFIX" "$@"'
    with tempfile.TemporaryDirectory() as elsewhere:
        command = ["bash", "-c", source, sys.executable, *SHIPPED]
        return subprocess.run(command, cwd=elsewhere, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

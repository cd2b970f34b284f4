#!/usr/bin/env python3
"""Set up .venv: everything the suite needs on a machine without a ROS desktop.

    python3 tools/setup.py            what `make demo` needs
    python3 tools/setup.py --test     and what tests, linters and colcon need

Standard library only. Every step leaves a stamp with the hash of what went into it under
.venv/setup/; a step whose inputs did not change is skipped, so a second call takes moments.
Logs lie beside the stamps.
"""

import argparse
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from system_packages import SetupError, ensure_system_packages

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STATE = VENV / "setup"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)  # MuJoCo 4 and the ROS wheels
DEMO_REQUIREMENTS = ("base", "ros", "build", "sim", "viewer", "model", "data", "teleop")
TEST_REQUIREMENTS = ("test", "colcon")
# a sourced ROS desktop would put its own rclpy in front of the wheels'
ROS_VARIABLES = (
    "AMENT_PREFIX_PATH",
    "CMAKE_PREFIX_PATH",
    "COLCON_PREFIX_PATH",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    # the wheels' note to themselves that LD_LIBRARY_PATH is set
    "_ROS_WHEELS_BOOTSTRAP_COMPLETE",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps that are due; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--test", action="store_true", help="also install what tests, linters and colcon need"
    )
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    try:
        check_python()
        ensure_system_packages()
        create_venv()
        with (STATE / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            num_done = run_steps(options.test)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if num_done:
        print(f"set up in {time.monotonic() - started_s:.0f} s: {VENV}")
    return 0


def check_python() -> None:
    """Refuse a platform or an interpreter that the wheels do not cover."""
    if sys.platform != "linux":
        raise SetupError(f"the ROS wheels are for Linux, this is {sys.platform}")
    version = sys.version_info[:2]
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        raise SetupError(
            f"Python {platform.python_version()} at {sys.executable}; expected 3.{OLDEST_PYTHON[1]}"
            f" to 3.{NEWEST_PYTHON[1]}. Name another one: make PYTHON=python3.12 ..."
        )


def create_venv() -> None:
    """Create .venv, or make sure that the one there still belongs to this place and Python."""
    origin = f"{ROOT} {sys.version_info.major}.{sys.version_info.minor}"
    stamp = STATE / "origin"
    if VENV_PYTHON.exists():
        found = stamp.read_text(encoding="utf-8") if stamp.exists() else version_of(VENV_PYTHON)
        if found not in (origin, origin.split()[-1]):
            raise SetupError(
                f"{VENV} was made for {found!r}, not for {origin!r}. Remove it: rm -r {VENV}"
            )
    else:
        print("creating .venv")
        run([sys.executable, "-m", "venv", str(VENV)], log=None)
    STATE.mkdir(exist_ok=True)
    stamp.write_text(origin, encoding="utf-8")


def run_steps(with_tests: bool) -> int:
    """Run every step whose inputs changed; returns how many ran."""
    packages = requirements_hash(DEMO_REQUIREMENTS)
    tests = requirements_hash(TEST_REQUIREMENTS)
    toolchain = toolchain_hash()
    tools = hash_of([ROOT / "tools" / "repair_include_paths.py"])
    messages = ROOT / "spatialbot_msgs"
    tf2_messages = ROOT / "tools" / "wheel_compat" / "tf2_msgs"
    metadata = [ROOT / name for name in ("setup.py", "setup.cfg", "pyproject.toml")]
    ran = [step("packages", "Python packages", packages, lambda: pip(DEMO_REQUIREMENTS))]
    if with_tests:
        ran.append(step("test", "test packages", tests, lambda: pip(TEST_REQUIREMENTS)))
    ran += [
        step("includes", "include paths of the ROS wheels", packages + tools, repair_include_paths),
        step(
            "spatialbot_msgs",
            "messages, about a minute",
            toolchain + hash_of([messages]),
            lambda: build_messages(messages),
        ),
        step(
            "tf2_msgs",
            "tf2_msgs",
            toolchain + hash_of([tf2_messages]),
            lambda: build_messages(tf2_messages),
        ),
        step("suite", "spatialbot_ros", packages + tests + hash_of(metadata), install_suite),
    ]
    return sum(ran)


def step(name: str, title: str, inputs: str, action: Callable[[], None]) -> bool:
    """Run `action` unless the stamp of `name` holds the hash `inputs` already."""
    stamp = STATE / f"{name}.stamp"
    wanted = hashlib.sha256(inputs.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    print(f"{title} ...", flush=True)
    started_s = time.monotonic()
    stamp.unlink(missing_ok=True)
    action()
    stamp.write_text(wanted, encoding="utf-8")
    print(f"{title}: done in {time.monotonic() - started_s:.0f} s", flush=True)
    return True


def pip(names: Iterable[str]) -> None:
    """Install requirements files; they pull in the exact versions of constraints.txt."""
    files = [f"--requirement={requirements_file(name)}" for name in names]
    command = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", *files]
    run(command, log="pip", hint="Is a package index reachable (pip config list)?")


def repair_include_paths() -> None:
    """The wheels name the include directories of the machine that built them."""
    run([str(VENV_PYTHON), str(ROOT / "tools" / "repair_include_paths.py")], log="includes")


def build_messages(source: Path) -> None:
    """Generate, compile and install one interface package into the venv."""
    build = STATE / "build" / source.name
    shutil.rmtree(build, ignore_errors=True)
    cmake = str(VENV / "bin" / "cmake")
    settings = {
        "CMAKE_BUILD_TYPE": "Release",
        "BUILD_TESTING": "OFF",
        "CMAKE_INSTALL_PREFIX": str(VENV),
        "CMAKE_MAKE_PROGRAM": str(VENV / "bin" / "ninja"),
        "Python3_EXECUTABLE": str(VENV_PYTHON),
        # a stray system-wide ament package would hide what the wheels lack
        "CMAKE_FIND_USE_CMAKE_SYSTEM_PATH": "OFF",
    }
    defines = [f"-D{key}={value}" for key, value in settings.items()]
    hint = "The compiler's message is in the log."
    run([cmake, "-S", str(source), "-B", str(build), "-G", "Ninja", *defines], source.name, hint)
    run([cmake, "--build", str(build)], source.name, hint)
    run([cmake, "--install", str(build)], source.name, hint)
    shutil.rmtree(build)


def install_suite() -> None:
    """Editable install of this checkout, without touching what is installed."""
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    command = [str(VENV_PYTHON), "-m", "pip", "install", *options, "--editable", str(ROOT)]
    run(command, log="suite")


def run(command: Sequence[str], log: str | None, hint: str = "") -> None:
    """Run a command in the venv's environment; its output goes to a log.

    Raises:
        SetupError: it failed; shows the end of its output.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ROS_VARIABLES}
    environment |= {
        "VIRTUAL_ENV": str(VENV),
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "AMENT_PREFIX_PATH": str(VENV),
        "CMAKE_PREFIX_PATH": str(VENV),
    }
    result = subprocess.run(
        command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False
    )
    output = result.stdout + result.stderr
    if log is not None:
        (STATE / f"{log}.log").write_text(output, encoding="utf-8")
    if result.returncode != 0:
        end = "\n".join(output.splitlines()[-25:])
        place = f"\nThe whole output: {STATE / log}.log" if log is not None else ""
        raise SetupError(
            f"`{' '.join(command)}` failed with {result.returncode}:\n{end}{place}\n{hint}"
        )


def requirements_file(name: str) -> Path:
    """Path of requirements/<name>.txt."""
    return ROOT / "requirements" / f"{name}.txt"


def requirements_hash(names: Iterable[str]) -> str:
    """Hash of requirements files and of the constraints they refer to."""
    return hash_of([*(requirements_file(name) for name in names), requirements_file("constraints")])


def toolchain_hash() -> str:
    """Hash of what compiled messages depend on: another viewer version does not rebuild them."""
    pins = requirements_file("constraints").read_text(encoding="utf-8").splitlines()
    matter = [pin for pin in pins if pin.startswith(("ros-", "numpy=", "empy="))]
    files = hash_of([requirements_file("ros"), requirements_file("build")])
    return hashlib.sha256("\n".join([files, *matter]).encode()).hexdigest()


def hash_of(paths: Iterable[Path]) -> str:
    """Hash of the names and contents of files and of all files below folders."""
    digest = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def version_of(python: Path) -> str:
    """`3.11` for a given interpreter."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    result = subprocess.run([str(python), "-c", code], text=True, capture_output=True, check=False)
    return result.stdout.strip() or "a Python that does not start"


if __name__ == "__main__":
    sys.exit(main())

"""The set-up script: what it refuses, what it repeats, and what it leaves alone."""

import importlib.util
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.delitem(sys.modules, "system_packages", raising=False)
    return load("system_packages")


@pytest.fixture
def setup(packages: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, pointed at an empty checkout."""
    monkeypatch.delitem(sys.modules, "setup", raising=False)
    module = load("setup")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "VENV_PYTHON", tmp_path / ".venv" / "bin" / "python")
    monkeypatch.setattr(module, "STATE", tmp_path / ".venv" / "setup")
    (tmp_path / ".venv" / "setup").mkdir(parents=True)
    return module


@pytest.fixture
def fake_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put shell scripts in the place of system commands."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def add(name: str, script: str) -> None:
        command = folder / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    return add


def need(packages: ModuleType, marker: Path) -> tuple[object, ...]:
    return (packages.SystemNeed("libwanted", marker.exists, ("libwanted1", "libwanted-data")),)


def test_a_step_runs_once_and_again_when_its_inputs_change(setup: ModuleType) -> None:
    ran: list[str] = []
    for inputs in ("a", "a", "b", "b"):
        setup.step("x", "X", inputs, lambda inputs=inputs: ran.append(inputs))
    assert ran == ["a", "b"]


def test_a_step_that_failed_is_tried_again(setup: ModuleType) -> None:
    def fail() -> None:
        raise setup.SetupError("no")

    setup.step("x", "X", "a", lambda: None)
    with pytest.raises(setup.SetupError):
        setup.step("x", "X", "b", fail)
    # not even the inputs of the last success count: what they made may be half replaced
    assert setup.step("x", "X", "a", lambda: None)


def test_hashes_see_names_and_contents(setup: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "msgs"
    folder.mkdir()
    seen = set()
    for name, text in (("a.msg", "int32 x"), ("a.msg", "int32 y"), ("b.msg", "int32 y")):
        for old in folder.iterdir():
            old.unlink()
        (folder / name).write_text(text)
        assert setup.hash_of([folder]) == setup.hash_of([folder])
        seen.add(setup.hash_of([folder]))
    assert len(seen) == 3


@pytest.mark.parametrize("version", [(3, 10), (3, 14)])
def test_an_uncovered_python_is_refused(
    setup: ModuleType, version: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup.sys, "version_info", (*version, 0))
    with pytest.raises(setup.SetupError, match=r"3\.11 to 3\.13.*make PYTHON="):
        setup.check_python()


def test_a_failing_command_shows_its_end_and_its_log(setup: ModuleType) -> None:
    script = "import sys; print('the reason'); sys.exit(3)"
    with pytest.raises(setup.SetupError, match=r"(?s)failed with 3.*the reason.*step\.log"):
        setup.run([sys.executable, "-c", script], log="step")
    assert "the reason" in (setup.STATE / "step.log").read_text()


def test_a_sourced_ros_desktop_does_not_leak_in(
    setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in setup.ROS_VARIABLES:
        monkeypatch.setenv(name, "/opt/ros/jazzy")
    script = "import os; print(*(v for v in os.environ.values() if 'jazzy' in v))"
    setup.run([sys.executable, "-S", "-E", "-c", script], log="environment")
    assert (setup.STATE / "environment.log").read_text().strip() == ""


def test_a_venv_that_was_moved_is_refused(setup: ModuleType) -> None:
    setup.VENV_PYTHON.parent.mkdir()
    setup.VENV_PYTHON.touch()
    (setup.STATE / "origin").write_text("/elsewhere 3.11")
    with pytest.raises(setup.SetupError, match=r"made for '/elsewhere 3\.11'.*rm -r"):
        setup.create_venv()


def test_missing_packages_are_installed_where_that_is_allowed(
    packages: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_path: Callable[[str, str], None],
) -> None:
    marker, calls = tmp_path / "installed", tmp_path / "calls"
    fake_path("apt-get", f'echo "$@" >> {calls}\n[ "$1" = install ] && : > {marker}')
    monkeypatch.setattr(packages, "_needs", lambda: need(packages, marker))
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    packages.ensure_system_packages()
    lines = calls.read_text().splitlines()
    assert lines[0] == "update"
    assert lines[1].startswith("install") and lines[1].endswith("libwanted1 libwanted-data")
    packages.ensure_system_packages()
    assert len(calls.read_text().splitlines()) == 2, "nothing to do the second time"


def test_without_root_the_error_names_the_command(
    packages: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_path: Callable[[str, str], None],
) -> None:
    fake_path("apt-get", "exit 1")
    fake_path("sudo", "exit 1")
    monkeypatch.setattr(packages, "_needs", lambda: need(packages, tmp_path / "never"))
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    with pytest.raises(packages.SetupError, match=r"libwanted\. Run: sudo apt-get install.*data"):
        packages.ensure_system_packages()


def test_on_another_distribution_the_error_names_the_packages(
    packages: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_path: Callable[[str, str], None],
) -> None:
    monkeypatch.setattr(packages, "_needs", lambda: need(packages, tmp_path / "never"))
    with pytest.raises(packages.SetupError, match=r"this system's package manager.*libwanted1"):
        packages.ensure_system_packages()


def test_a_failed_installation_says_what_is_still_missing(
    packages: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fake_path: Callable[[str, str], None],
) -> None:
    fake_path("apt-get", "echo no such package >&2; exit 100")
    monkeypatch.setattr(packages, "_needs", lambda: need(packages, tmp_path / "never"))
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    with pytest.raises(packages.SetupError, match=r"(?s)still missing.*libwanted.*no such package"):
        packages.ensure_system_packages()


def test_this_machine_is_complete(packages: ModuleType) -> None:
    assert packages.missing_needs() == ()

"""The few things pip cannot bring: shared libraries, a C++ compiler, Python's headers.

Each need is probed for itself, so nothing is installed where it is met by another way than a
Debian package; what is missing is installed with apt-get, as root or through a sudo that asks
for no password.
"""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


@dataclass(frozen=True)
class SystemNeed:
    """One thing the system must offer.

    Attributes:
        what: its name for a reader.
        is_met: probes this machine.
        debian_packages: what provides it on Debian and Ubuntu.
    """

    what: str
    is_met: Callable[[], bool]
    debian_packages: tuple[str, ...]


def ensure_system_packages() -> None:
    """Install what is missing.

    Raises:
        SetupError: something is missing and cannot be installed from here; names the command.
    """
    missing = missing_needs()
    if not missing:
        return
    packages = [package for need in missing for package in need.debian_packages]
    names = ", ".join(need.what for need in missing)
    prefix = _root_prefix()
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        raise SetupError(
            f"missing: {names}. Install them with this system's package manager; on Debian and"
            f" Ubuntu they are called {' '.join(packages)}."
        )
    if prefix is None:
        raise SetupError(f"missing: {names}. Run: sudo {' '.join(command)}")
    print(f"installing {' '.join(packages)} ...", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        result = subprocess.run(
            [*prefix, *step], env=environment, text=True, capture_output=True, check=False
        )
    still_missing = ", ".join(need.what for need in missing_needs())
    if still_missing:
        raise SetupError(
            f"still missing after `{' '.join(command)}`: {still_missing}.\n"
            + (result.stdout + result.stderr)[-2000:]
        )


def missing_needs() -> tuple[SystemNeed, ...]:
    """The needs that this machine does not meet."""
    return tuple(need for need in _needs() if not need.is_met())


def _needs() -> Sequence[SystemNeed]:
    return (
        SystemNeed("libusb 1.0 (RealSense)", _library("libusb-1.0.so.0"), ("libusb-1.0-0",)),
        SystemNeed("EGL (rendering without a display)", _library("libEGL.so.1"), ("libegl1",)),
        SystemNeed("an EGL driver", _has_egl_driver, ("libegl-mesa0", "libgl1-mesa-dri")),
        SystemNeed("a C and C++ compiler", _has_compilers, ("gcc", "g++", "libc6-dev")),
        SystemNeed("Python's headers", _has_python_headers, ("python3-dev",)),
        SystemNeed("Python's venv module", _has_ensurepip, ("python3-venv",)),
    )


def _library(soname: str) -> Callable[[], bool]:
    def loads() -> bool:
        try:
            ctypes.CDLL(soname)
        except OSError:
            return False
        return True

    return loads


def _has_egl_driver() -> bool:
    folders = (Path("/usr/share/glvnd/egl_vendor.d"), Path("/etc/glvnd/egl_vendor.d"))
    vendors = [path.name for folder in folders for path in folder.glob("*.json")]
    # Mesa announces itself without its drivers, and then fails at the first picture
    has_mesa_drivers = any(
        any(Path("/usr").glob(pattern))
        for folder in ("lib/*", "lib", "lib64")
        for pattern in (f"{folder}/dri/*swrast_dri.so", f"{folder}/libgallium*.so")
    )
    return any("mesa" not in name for name in vendors) or (bool(vendors) and has_mesa_drivers)


def _has_compilers() -> bool:
    compilers = (os.environ.get("CC", "cc"), os.environ.get("CXX", "c++"))
    return all(shutil.which(compiler.split()[0]) for compiler in compilers)


def _has_python_headers() -> bool:
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()


def _has_ensurepip() -> bool:
    return importlib.util.find_spec("ensurepip") is not None


def _root_prefix() -> list[str] | None:
    """What to put in front of a command to run it as root; None where that takes a password."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo is None:
        return None
    asks_nothing = subprocess.run([sudo, "--non-interactive", "true"], capture_output=True)
    return [sudo, "--non-interactive"] if asks_nothing.returncode == 0 else None

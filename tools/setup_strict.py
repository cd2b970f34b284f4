#!/usr/bin/env python3
"""Set up .strict-venv: franka-sim, the strict simulated robot that `make strict` runs against.

Standard library only. Does nothing while requirements/strict.txt stays as it was.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".strict-venv"
REQUIREMENTS = ROOT / "requirements" / "strict.txt"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 9), (3, 12)  # wheels of its numpy


def main() -> int:
    """Make the environment when it is due; returns the exit code."""
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        print(
            f"error: franka-sim needs Python 3.{OLDEST_PYTHON[1]} to 3.{NEWEST_PYTHON[1]}, this is"
            f" {sys.version.split()[0]}. Name another one: make STRICT_PYTHON=python3.12 strict",
            file=sys.stderr,
        )
        return 1
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp = VENV / "setup.stamp"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"setting up {VENV}", flush=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        [*pip, "--quiet", f"--requirement={REQUIREMENTS}"],
    ):
        if subprocess.run(command, check=False).returncode:
            print(f"error: {' '.join(command)} failed; see above", file=sys.stderr)
            return 1
    stamp.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

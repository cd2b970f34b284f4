"""What is started again, what is not, and that nothing outlives its supervisor."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spatialbot_ros.supervisor import RespawnPolicy

TIMEOUT_S = 60.0


def supervise(folder: Path, program: str) -> "subprocess.Popen[str]":
    """A supervised Python program; ``starts`` is a file to which it may append."""
    starts = f"import os,signal,sys,time; starts={str(folder / 'starts')!r}\n"
    return subprocess.Popen(
        [sys.executable, "-m", "spatialbot_ros.supervisor", "--", sys.executable, "-c",
         starts + "open(starts, 'a').write(f'{os.getpid()}\\n')\n" + program],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def starts(folder: Path) -> list[int]:
    file = folder / "starts"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def wait_for_starts(folder: Path, number: int) -> list[int]:
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(starts(folder)) < number:
        assert time.monotonic() < deadline_s, f"{len(starts(folder))} starts of {number}"
        time.sleep(0.02)
    return starts(folder)


def wait_until_gone(pid: int) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while os.path.exists(f"/proc/{pid}/cmdline") and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline_s, f"process {pid} still runs"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("exit_code", "ran_s", "again"),
    [(0, 99.0, False), (1, 5.0, False), (1, 99.0, True), (-9, 0.1, True), (70, 5.0, True)],
)
def test_which_ends_are_crashes(exit_code: int, ran_s: float, again: bool) -> None:
    assert RespawnPolicy().wants_another(exit_code, ran_s, 100.0) is again


def test_too_many_crashes_in_a_minute_end_it_and_old_ones_are_forgotten() -> None:
    policy = RespawnPolicy(max_crashes=3, window_s=60.0)
    assert [policy.wants_another(-11, 1.0, t) for t in (0.0, 10.0, 20.0, 30.0)] == [
        True, True, True, False,
    ]  # fmt: skip
    assert policy.wants_another(-11, 1.0, 75.0)


def test_a_killed_program_is_started_again_and_a_signal_ends_both(tmp_path: Path) -> None:
    process = supervise(tmp_path, "time.sleep(600)")
    (first,) = wait_for_starts(tmp_path, 1)
    os.kill(first, signal.SIGKILL)
    second = wait_for_starts(tmp_path, 2)[1]
    assert second != first
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert "signal 9" in errors
    assert "started again" in errors
    wait_until_gone(second)


@pytest.mark.parametrize("code", [0, 1])
def test_a_clean_end_and_a_users_error_are_handed_on(tmp_path: Path, code: int) -> None:
    process = supervise(tmp_path, f"sys.exit({code})")
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == code
    assert len(starts(tmp_path)) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children")
def test_a_killed_supervisor_takes_its_program_along(tmp_path: Path) -> None:
    process = supervise(tmp_path, "time.sleep(600)")
    (child,) = wait_for_starts(tmp_path, 1)
    process.kill()
    process.communicate(timeout=TIMEOUT_S)
    wait_until_gone(child)


def test_without_a_command_it_says_what_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spatialbot_ros.supervisor"],
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert (done.returncode, "-- COMMAND" in done.stderr) == (2, True)

"""Workers work, and none is left when the process that started them is killed."""

import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import os, sys, time
from spatialbot_model.contracts.worker_pool import worker_pool
def begin(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
if __name__ == "__main__":
    with worker_pool(2, begin, sys.argv[1]) as pool:
        list(pool.map(time.sleep, [float(sys.argv[2])] * 4))
"""


def start(tmp_path: Path, job_s: float) -> subprocess.Popen[bytes]:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    (tmp_path / "pids").mkdir()
    return subprocess.Popen([sys.executable, str(script), str(tmp_path / "pids"), str(job_s)])


def running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def wait_until(condition: object, timeout_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "timed out"
        time.sleep(0.02)


def test_jobs_are_done(tmp_path: Path) -> None:
    assert start(tmp_path, 0.0).wait(timeout=60) == 0


def test_a_killed_parent_leaves_no_worker(tmp_path: Path) -> None:
    parent = start(tmp_path, 600.0)
    wait_until(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
    workers = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(running(pid) for pid in workers))

"""kill -9 at random moments: closed episodes are whole, the open one loses a second at most.

`SPATIALBOT_KILLS` sets how many; docs/benchmarks/recorder.md has the figures of a hundred.
"""

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import recording_victim

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.listing import read_session
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.repair import repair_episode

NUM_KILLS = int(os.environ.get("SPATIALBOT_KILLS", "12"))
MAX_LOSS_S = 1.0
SEED = 20260131


@pytest.fixture
def nursery() -> Iterator["subprocess.Popen[str]"]:
    """The process that forks the recorders to be killed."""
    process = subprocess.Popen(
        [sys.executable, recording_victim.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30.0) == 0


def kill_one(process: "subprocess.Popen[str]", folder: Path, seed: int, delay_s: float) -> None:
    """Let a recorder record for a while, then kill it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{folder} {seed}\n")
    process.stdin.flush()
    child = int(process.stdout.readline())
    try:
        deadline_s = time.monotonic() + 30.0
        while not (folder / "given").exists() and time.monotonic() < deadline_s:
            time.sleep(0.001)
        # not to wait for something: the random moment of the kill
        time.sleep(delay_s)
    finally:
        os.kill(child, signal.SIGKILL)
    assert process.stdout.readline() == "ended\n"


def last_stamp_ns(folder: Path) -> int:
    with EpisodeReader(folder) as reader:
        return max(stamp_ns for _, stamp_ns, _ in reader.stored())


def test_a_killed_recorder_loses_a_second_at_most(
    tmp_path: Path, nursery: "subprocess.Popen[str]"
) -> None:
    rng = random.Random(SEED)
    losses_s: list[float] = []
    num_closed = num_repaired = num_too_early = 0
    for kill in range(NUM_KILLS):
        folder = tmp_path / f"kill_{kill:03d}"
        kill_one(nursery, folder, seed=rng.randrange(2**31), delay_s=rng.uniform(0.05, 1.5))
        first_ns, given_ns = struct.unpack("<qq", (folder / "given").read_bytes())
        closed = (folder / "closed").read_text().split()
        for name in closed:
            report = check_episode(folder / name)
            assert report.ok, (kill, name, report.problems)
            num_closed += 1
        opened = sorted(p for p in folder.iterdir() if p.is_dir() and p.name not in closed)
        assert len(opened) <= 1
        for episode in opened:
            if not (episode / contract.SIDECAR_NAME).exists():
                continue  # killed while it was being made: nothing was given to it
            begin_ns = json.loads((episode / contract.SIDECAR_NAME).read_text())["start_ns"]
            try:
                repaired = repair_episode(episode)
            except RecordingError as error:
                assert "nothing to recover" in str(error)
                # the stamps may still be those of the episode before
                losses_s.append((given_ns - first_ns) / 1e9 if first_ns > begin_ns else 0.0)
                num_too_early += 1
                continue
            assert repaired.check.ok, (kill, episode.name, repaired.check.problems)
            assert repaired.original is None
            assert read_session(folder).interrupted == ()
            num_repaired += repaired.repaired
            losses_s.append(max(0.0, (given_ns - last_stamp_ns(episode)) / 1e9))
    assert losses_s
    assert max(losses_s) <= MAX_LOSS_S
    assert num_repaired > NUM_KILLS // 4
    figures = {
        "kills": NUM_KILLS,
        "closed": num_closed,
        "repaired": num_repaired,
        "too_early": num_too_early,
        "loss_median_s": sorted(losses_s)[len(losses_s) // 2],
        "loss_max_s": max(losses_s),
    }
    report_file = os.environ.get("SPATIALBOT_KILLS_REPORT")
    if report_file:
        Path(report_file).write_text(json.dumps(figures) + "\n")

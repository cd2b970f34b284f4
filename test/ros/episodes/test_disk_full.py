"""A disk that is full: a clear error, a bag that still closes, nothing lost that was there.

The disk is a real small one (a tmpfs) where mounting is permitted, else the tests are left out;
test_writer.py has the same fault by a limit on the size of a file.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import synthetic_episode as synthetic

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.label import label_episode
from spatialbot_ros.episodes.merge import merge_sessions
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.repair import repair_episode

SIZE_MB = 4
PAYLOAD_BYTES = 150_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - leave_bytes))
    return ballast


def test_a_disk_that_fills_up_ends_the_episode_properly(small_disk: Path) -> None:
    first = synthetic.write_episode(small_disk / "first")
    writer = synthetic.open_writer(small_disk / "second")
    for step in range(40):
        image = synthetic.image(synthetic.color_of(step), "rgb8", synthetic.stamp_of(step))
        data = synthetic.encode(contract.COLOR_TOPIC, image) + bytes(PAYLOAD_BYTES)
        writer.write(contract.COLOR_TOPIC, data, synthetic.stamp_of(step))
    with pytest.raises(RecordingError, match="No space left on device") as caught:
        writer.close("success", "", synthetic.stamp_of(40))
    assert "What was written before is kept" in str(caught.value)
    assert check_episode(first).problems == ()
    # the bag has its index: what fitted is read without a repair, and the rest is counted
    with EpisodeReader(small_disk / "second") as reader:
        num_read = len(list(reader.stored(contract.COLOR_TOPIC)))
        metadata = reader.metadata
    assert metadata.counts[contract.COLOR_TOPIC] == num_read > 10
    assert metadata.drops[contract.COLOR_TOPIC] == 40 - num_read
    assert "No space left" in metadata.reason


def test_nothing_of_the_tools_harms_an_episode_when_there_is_no_room(small_disk: Path) -> None:
    whole = synthetic.write_episode(small_disk / "whole")
    killed = synthetic.write_episode(small_disk / "killed")
    (killed / "metadata.yaml").unlink()
    before = {p.name: p.read_bytes() for p in killed.iterdir()}
    ballast = fill(small_disk, leave_bytes=0)
    with pytest.raises(RecordingError, match="The original is unchanged"):
        repair_episode(killed)
    assert {p.name: p.read_bytes() for p in killed.iterdir()} == before
    with pytest.raises(RecordingError, match="No space left on device"):
        label_episode(whole, "failure")
    with pytest.raises(RecordingError, match="cannot be written"):
        merge_sessions([whole], small_disk / "merged", copy=True)
    with pytest.raises(RecordingError, match=r"cannot create the episode|is full"):
        synthetic.open_writer(small_disk / "another")
    assert check_episode(whole).problems == ()
    names = {p.name for p in small_disk.iterdir()} - {"another"}
    assert names == {"whole", "killed", "ballast"}
    ballast.unlink()
    assert label_episode(whole, "failure").label == "failure"
    assert check_episode(whole).problems == ()
    # repairing keeps some room free, which this disk does not have; a larger one does
    roomy = small_disk.parent / "killed"
    roomy.mkdir()
    for name, data in before.items():
        (roomy / name).write_bytes(data)
    assert repair_episode(roomy).check.problems == ()

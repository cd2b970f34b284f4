"""What goes into an episode comes out of it; what does not go in is counted."""

import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic_episode as synthetic
from rosbags.highlevel import AnyReader

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.configuration import load_cell
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.truncated_mcap import TruncatedMcap
from spatialbot_ros.episodes.writer import EpisodeWriter


def make_writer(folder: Path, **options: int) -> EpisodeWriter:
    writer = EpisodeWriter(folder, synthetic.METADATA, **{"reserve_bytes": 0, **options})
    writer.open()
    return writer


def test_bytes_and_stamps_come_back_as_they_went_in(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "episode")
    written = [synthetic.write_step(writer, step) for step in range(5)]
    metadata = writer.close("failure", "fell down", synthetic.stamp_of(5))
    with EpisodeReader(tmp_path / "episode") as reader:
        for topic in written[0]:
            expected = [
                (topic, synthetic.stamp_of(i), step[topic]) for i, step in enumerate(written)
            ]
            assert list(reader.raw(topic)) == expected
        assert reader.metadata == metadata
    assert metadata.label == "failure"
    assert metadata.duration_s == pytest.approx(0.5)
    assert metadata.counts[contract.COLOR_TOPIC] == 5


def test_arrays_are_read_as_written(tmp_path: Path) -> None:
    with EpisodeReader(synthetic.write_episode(tmp_path / "episode")) as reader:
        for step, (stamp_ns, depth_mm) in enumerate(reader.depth_frames()):
            assert (stamp_ns, depth_mm.dtype) == (synthetic.stamp_of(step), np.uint16)
            np.testing.assert_array_equal(depth_mm, synthetic.depth_of(step))
        for step, (_, color) in enumerate(reader.color_frames()):
            np.testing.assert_array_equal(color, synthetic.color_of(step))
        T = reader.T_base_camera()
        np.testing.assert_allclose(T, load_cell().camera.T_base_color, atol=1e-9)
        assert reader.intrinsics().fx_px == synthetic.WIDTH
        route = reader.gripper_path()
        np.testing.assert_allclose(route.values[:, 1], 0.02 * np.arange(6) - 0.1)
        assert reader.joints().names == ("fr3_joint1", "fr3_joint2")
        assert reader.gripper_width().values.shape == (6, 2)


def test_the_metadata_is_there_from_the_first_moment_and_in_the_bag_at_the_end(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "episode"
    writer = make_writer(folder)
    assert read_sidecar(folder).stop_ns is None
    synthetic.write_step(writer, 0)
    writer.close("unknown", "", synthetic.stamp_of(1))
    assert read_sidecar(folder).stop_ns == synthetic.stamp_of(1)
    assert contract.CUSTOM_DATA_KEY in (folder / "metadata.yaml").read_text()
    with AnyReader([folder]) as reader:
        assert {c.topic for c in reader.connections} == set(contract.EPISODE_TOPICS)


def test_an_existing_folder_is_not_touched(tmp_path: Path) -> None:
    kept = tmp_path / "episode" / "kept.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    writer = EpisodeWriter(kept.parent, synthetic.METADATA, reserve_bytes=0)
    with pytest.raises(RecordingError, match="not overwritten"):
        writer.open()
    assert [p.name for p in kept.parent.iterdir()] == ["kept.txt"]


def test_a_full_queue_drops_counts_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    store = EpisodeWriter._store

    def slow_disk(self: EpisodeWriter, *item: Any) -> None:
        assert go_on.wait(30.0)
        store(self, *item)

    monkeypatch.setattr(EpisodeWriter, "_store", slow_disk)
    data = synthetic.encode(contract.COLOR_TOPIC, synthetic.messages_of(0)[contract.COLOR_TOPIC])
    writer = make_writer(tmp_path / "episode", queue_bytes=3 * len(data))
    taken = [writer.write(contract.COLOR_TOPIC, data, synthetic.stamp_of(i)) for i in range(20)]
    go_on.set()
    metadata = writer.close("success", "", synthetic.stamp_of(20))
    assert sum(taken) == 3
    assert metadata.drops == {contract.COLOR_TOPIC: 20 - sum(taken)}
    assert metadata.counts == {contract.COLOR_TOPIC: sum(taken)}
    problems = check_episode(tmp_path / "episode").problems
    assert f"{contract.COLOR_TOPIC}: {20 - sum(taken)} messages were lost" in problems


def test_losses_before_the_writer_are_counted(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "episode")
    writer.count_drop(contract.DEPTH_TOPIC, 2)
    assert writer.close("success", "", synthetic.FIRST_NS).drops == {contract.DEPTH_TOPIC: 2}


@pytest.fixture
def small_files() -> Iterator[None]:
    """The kernel refuses to let a file grow past 300 kB, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_takes_no_more_is_an_error_and_is_remembered(
    tmp_path: Path, small_files: None
) -> None:
    writer = make_writer(tmp_path / "episode")
    data = bytes(4) + bytes(200_000)
    for step in range(20):
        writer.write(contract.COLOR_TOPIC, data, synthetic.stamp_of(step))
    with pytest.raises(RecordingError, match="not complete"):
        writer.close("success", "", synthetic.stamp_of(20))
    metadata = read_sidecar(tmp_path / "episode")
    assert "writing failed" in metadata.reason
    assert sum(metadata.drops.values()) > 0
    assert not check_episode(tmp_path / "episode").ok


def test_a_disk_below_its_reserve_is_refused_at_the_start(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode", synthetic.METADATA, reserve_bytes=10**18)
    with pytest.raises(RecordingError, match="is full"):
        writer.open()
    assert list(tmp_path.iterdir()) == []


def test_recording_ends_properly_before_the_reserve_is_touched(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "episode")
    writer._reserve_bytes = 10**18
    color = np.zeros((1024, 1024, 3), np.uint8)
    data = synthetic.encode(contract.COLOR_TOPIC, synthetic.image(color, "rgb8", 0))
    for step in range(10):
        writer.write(contract.COLOR_TOPIC, data, synthetic.stamp_of(step))
    with pytest.raises(RecordingError, match="kept in reserve"):
        writer.close("success", "", synthetic.stamp_of(10))
    with EpisodeReader(tmp_path / "episode") as reader:
        assert 0 < len(list(reader.raw(contract.COLOR_TOPIC))) < 10


def test_misuse_is_an_error(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode", synthetic.METADATA, reserve_bytes=0)
    with pytest.raises(RecordingError, match="not open"):
        writer.close("success", "", 0)
    writer.open()
    with pytest.raises(RecordingError, match="not a topic of an episode"):
        writer.write("/clock", b"", 0)
    with pytest.raises(RecordingError, match="success, failure, unknown"):
        writer.close("great", "", 0)
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_complete_episode_has_no_problems(tmp_path: Path) -> None:
    report = check_episode(synthetic.write_episode(tmp_path / "episode"))
    assert report.problems == ()
    assert report.num_pairs == 6
    assert Counter(report.counts)[contract.ACTION_TOPIC] == 6


def _wrong_spec(ns: int) -> object:
    return synthetic.build(
        "spatialbot_msgs/msg/DeltaAction",
        header=synthetic.header(ns),
        observation_stamp=synthetic.stamp(ns),
        action_spec_id="other",
    )


@pytest.mark.parametrize(
    ("replacements", "problem"),
    [
        ({"DEPTH_TOPIC": None}, "computed from a frame that is not in the bag"),
        ({"JOINTS_TOPIC": None}, "/joint_states: no message"),
        ({"ACTION_TOPIC": _wrong_spec(synthetic.stamp_of(0))}, "action spec other"),
        (
            {"COLOR_TOPIC": synthetic.image(synthetic.color_of(0), "bgr8", synthetic.stamp_of(0))},
            "bgr8",
        ),
        (
            {"COLOR_TOPIC": synthetic.image(synthetic.color_of(0), "rgb8", 77)},
            "log time is not the header's stamp",
        ),
    ],
)
def test_faulty_content_is_found(
    tmp_path: Path, replacements: dict[str, object], problem: str
) -> None:
    writer = make_writer(tmp_path / "episode")
    synthetic.write_step(writer, 0, **replacements)
    writer.close("success", "", synthetic.stamp_of(1))
    assert any(problem in p for p in check_episode(tmp_path / "episode").problems)


def test_faulty_stamps_and_bytes_are_found(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "episode")
    for step in (1, 0, 0):
        synthetic.write_step(writer, step)
    writer.write(contract.JOINTS_TOPIC, b"\x00\x01\x00\x00\xff", synthetic.stamp_of(2))
    writer.close("success", "", synthetic.stamp_of(3))
    problems = "\n".join(check_episode(tmp_path / "episode").problems)
    assert f"{contract.COLOR_TOPIC}: stamps ran backwards 1 times" in problems
    assert "two images with one stamp" in problems
    assert "is no sensor_msgs/msg/JointState" in problems


def test_an_unclosed_episode_and_a_folder_without_one_are_told(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "episode")
    (report,) = check_episode(tmp_path / "episode").problems
    assert "not closed" in report
    writer.discard()
    (report,) = check_episode(tmp_path / "nothing").problems
    assert "Is" in report
    assert "the folder of an episode?" in report


def test_messages_are_in_the_file_soon_after_they_were_written(tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "episode")
    try:
        written = synthetic.write_step(writer, 0)
        deadline_s = time.monotonic() + 20.0
        found: list[str] = []
        while len(found) < len(written) and time.monotonic() < deadline_s:
            mcap = TruncatedMcap(tmp_path / "episode" / "episode.mcap")
            found = [topic for topic, _, _ in mcap.messages()]
        assert sorted(found) == sorted(written)
        assert not mcap.is_whole
    finally:
        writer.discard()

"""Every message of a bag is found where it is; what is no whole bag is refused in words."""

import copy
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin
from scripted_bag import Step, write_bag

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.data.bag_reader import BagReader, bag_files
from spatialbot_model.data.episode_index import build_index

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "bag")


@pytest.mark.parametrize("zstd", [False, True])
def test_messages_and_stamps_are_those_of_rosbags(tmp_path: Path, zstd: bool) -> None:
    folder = write_bag(tmp_path / "bag", zstd=zstd, log_delay_ns=7)
    reader = BagReader(folder, bag_files(folder))
    contents = reader.locate(contract.EPISODE_TOPICS)
    reader = copy.deepcopy(reader)
    with AnyReader([folder]) as expected:
        assert contents.counts == {c.topic: c.msgcount for c in expected.connections}
        seen = dict.fromkeys(contents.messages, 0)
        for connection, log_ns, data in expected.messages():
            at = contents.messages[connection.topic][seen[connection.topic]]
            seen[connection.topic] += 1
            assert (at.log_ns, reader.read(at.file, at.location)) == (log_ns, data)
            message = reader.message(contents.channels[connection.topic], at)
            if connection.topic == contract.STATIC_TF_TOPIC:
                # the only one that does not begin with a header
                assert len(message.transforms) == 1
                continue
            assert reader.stamp_ns(at) == log_ns - 7
            assert message.header.stamp.nanosec == (log_ns - 7) % 10**9


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_bag_that_is_cut_off_anywhere_is_refused(
    bag: Path, tmp_path: Path, fraction: float
) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(bag, folder, dirs_exist_ok=True)
    (file,) = folder.glob("*.mcap")
    data = file.read_bytes()
    file.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(RecordingError, match=r"cut off|no MCAP"):
        build_index(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(position=st.integers(0, 10**9), value=st.binary(min_size=1, max_size=8))
def test_damage_is_refused_or_harmless(
    bag: Path, tmp_path: Path, position: int, value: bytes
) -> None:
    """Any bytes may be others: what is raised is ours, so that only this episode is skipped."""
    folder = tmp_path / "damaged"
    shutil.copytree(bag, folder, dirs_exist_ok=True)
    (file,) = folder.glob("*.mcap")
    data = bytearray(file.read_bytes())
    at = position % (len(data) - len(value))
    data[at : at + len(value)] = value
    file.write_bytes(data)
    try:
        index = build_index(folder)
        reader = index.reader()
        for number in range(index.num_frames):
            index.read_frame(reader, number)
    except (RecordingError, ValueError) as error:
        assert str(error)


def test_damage_in_a_compressed_chunk_is_found(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", zstd=True)
    (file,) = folder.glob("*.mcap")
    data = bytearray(file.read_bytes())
    start = data.index(ZSTD_MAGIC)
    data[start : start + 4] = bytes(4)
    file.write_bytes(data)
    with pytest.raises(RecordingError, match="damaged"):
        build_index(folder)


def test_a_file_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag")
    index = build_index(folder)
    (file,) = folder.glob("*.mcap")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RecordingError, match="open them again"):
        index.read_frame(index.reader(), index.num_frames - 1)


def test_another_storage_is_refused(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", storage=StoragePlugin.SQLITE3)
    with pytest.raises(RecordingError, match=r"'sqlite3', expected 'mcap'.*ros2 bag convert"):
        build_index(folder)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda f: (f / "metadata.yaml").unlink(), "episodes repair"),
        (lambda f: (f / "metadata.yaml").write_text("a: ["), "not the metadata"),
        (lambda f: (f / "metadata.yaml").write_text("a: 1"), "not the metadata"),
        (lambda f: (f / "episode.json").unlink(), "Is .* the folder of an episode"),
        (lambda f: (f / "episode.json").write_text("{}"), "episode"),
        (lambda f: next(f.glob("*.mcap")).unlink(), "cannot read"),
        (lambda f: next(f.glob("*.mcap")).write_bytes(b"hello, I am a text"), "no MCAP"),
        (lambda f: next(f.glob("*.mcap")).write_bytes(b""), "no MCAP"),
    ],
)
def test_what_is_no_episode_is_told(tmp_path: Path, damage, why: str) -> None:
    folder = write_bag(tmp_path / "bag")
    damage(folder)
    with pytest.raises(RecordingError, match=why):
        build_index(folder)


@pytest.mark.parametrize(
    "topic",
    [contract.COLOR_TOPIC, contract.DEPTH_TOPIC, contract.ACTION_TOPIC, contract.COLOR_INFO_TOPIC],
)
def test_a_missing_topic_is_named(tmp_path: Path, topic: str) -> None:
    folder = write_bag(tmp_path / "bag", leave_out=(topic,))
    with pytest.raises(RecordingError, match=topic):
        build_index(folder)


def test_an_end_alone_is_a_step(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", [Step(2, None, "The robot has finished.")])
    assert build_index(folder).step_bins(0) is None


def test_a_bag_without_usable_steps_says_why(tmp_path: Path) -> None:
    folder = write_bag(tmp_path / "bag", num_frames=1, steps=3, instruction="go")
    assert len(build_index(folder)) == 1
    empty = write_bag(
        tmp_path / "empty",
        steps=3,
        num_frames=8,
        leave_out=(contract.POLICY_STEP_TOPIC,),
        instruction="",
    )
    with pytest.raises(RecordingError, match=r"no step.*instruction"):
        build_index(empty)

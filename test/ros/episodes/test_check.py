"""Faults that `check_episode` must find beyond those of a single message."""

from pathlib import Path

import pytest
import synthetic_episode as synthetic
from rosbags.rosbag2 import StoragePlugin, Writer

from spatialbot_model.contracts import episode as contract
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.message_types import message_types

STEPS_PER_S = 10


def write(folder: Path, steps: range, without: dict[str, range] | None = None) -> Path:
    """An episode of some steps, in which some topics (by `contract` name) miss some of them."""
    writer = synthetic.open_writer(folder)
    for step in steps:
        gaps = {name: None for name, missing in (without or {}).items() if step in missing}
        synthetic.write_step(writer, step, **gaps)
    writer.close("success", "", synthetic.stamp_of(steps.stop))
    return folder


@pytest.mark.parametrize(
    ("without", "problem"),
    [
        ({"JOINTS_TOPIC": range(5, 17)}, "/joint_states: silent for 1.30 s"),
        ({"EE_POSE_TOPIC": range(12)}, "/spatialbot/ee_pose: begins 1.20 s after the others"),
        ({"GRIPPER_TOPIC": range(18, 30)}, "/spatialbot/gripper: ends 1.20 s before the others"),
        ({"DEPTH_TOPIC": range(4, 8), "ACTION_TOPIC": range(4, 8)}, "4 of 30 colour images have"),
    ],
)
def test_gaps_and_missing_partners_are_found(
    tmp_path: Path, without: dict[str, range], problem: str
) -> None:
    (found,) = check_episode(write(tmp_path / "episode", range(30), without)).problems
    assert problem in found


def test_the_longest_silence_can_be_set_and_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "episode", range(30), {"JOINTS_TOPIC": range(5, 9)})
    report = check_episode(folder)
    assert report.problems == ()
    assert report.longest_gap_s is not None
    assert report.longest_gap_s[contract.JOINTS_TOPIC] == pytest.approx(0.5)
    assert not check_episode(folder, max_gap_s=0.4).ok


def test_a_frame_or_two_without_depth_at_the_ends_is_no_fault(tmp_path: Path) -> None:
    without = {"DEPTH_TOPIC": range(2), "ACTION_TOPIC": range(2)}
    assert check_episode(write(tmp_path / "episode", range(12), without)).ok


def test_single_images_that_are_missing_are_told(tmp_path: Path) -> None:
    both = dict.fromkeys(("COLOR_TOPIC", "DEPTH_TOPIC", "ACTION_TOPIC"), range(4, 7))
    report = check_episode(write(tmp_path / "episode", range(30), both))
    assert report.problems == ()
    assert report.warnings == tuple(
        f"{topic}: about 3 images seem to be missing between others"
        for topic in (contract.COLOR_TOPIC, contract.DEPTH_TOPIC)
    )


def test_an_episode_without_a_label_is_usable_and_told(tmp_path: Path) -> None:
    report = check_episode(synthetic.write_episode(tmp_path / "episode", label="unknown"))
    assert (report.problems, report.warnings) == ((), ("not labelled",))


def test_a_foreign_bag_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/scan", "std_msgs/msg/String", typestore=message_types())
        writer.write(topic, 1, synthetic.encode(contract.INSTRUCTION_TOPIC, _text("hello")))
    (problem,) = check_episode(tmp_path / "bag").problems
    assert "the folder of an episode?" in problem
    # with the sidecar of an episode it is still another bag
    other = synthetic.write_episode(tmp_path / "episode")
    (tmp_path / "bag" / "episode.json").write_bytes((other / "episode.json").read_bytes())
    problems = "\n".join(check_episode(tmp_path / "bag").problems)
    for text in (
        "custom data lacks",
        f"{contract.COLOR_TOPIC}: not in the bag",
        "as many messages",
    ):
        assert text in problems


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.9999])
def test_a_truncated_bag_is_told_with_the_remedy(tmp_path: Path, keep: float) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    path = folder / "episode.mcap"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    (problem,) = check_episode(folder).problems
    assert "cannot be opened as a rosbag2" in problem
    assert f"episodes repair {folder}" in problem


@pytest.mark.parametrize("text", ["", "[]", "a: 1", "rosbag2_bagfile_information: 3", "\x00{"])
def test_an_unusable_metadata_file_is_told(tmp_path: Path, text: str) -> None:
    folder = synthetic.write_episode(tmp_path / "episode")
    (folder / "metadata.yaml").write_text(text)
    assert not check_episode(folder).ok


def _text(text: str) -> object:
    return synthetic.build("std_msgs/msg/String", data=text)

"""The recorder as its own process, every topic and both services over DDS."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
from lab_double import LabDouble, color_of, depth_of, stamp_of
from rosbags.highlevel import AnyReader
from spatialbot_msgs.msg import SafetyEvent
from std_msgs.msg import String

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.episode_images import DEPTH_COMPRESSED_TOPIC
from spatialbot_ros.episodes.check import check_episode
from spatialbot_ros.episodes.reader import EpisodeReader

DOMAIN_ID = os.environ.get("ROS_DOMAIN_ID", "36")
TIMEOUT_S = 60.0
NUM_STEPS = 12


def start_recorder(folder: Path, *parameters: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "spatialbot_ros.nodes.recorder", "--ros-args"]
    for parameter in (f"output_directory:={folder}", "reserve_mb:=0", *parameters):
        command += ["-p", parameter]
    return subprocess.Popen(command)


@pytest.fixture(scope="module", autouse=True)
def ros_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", DOMAIN_ID)
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("episodes")


@pytest.fixture(scope="module")
def recorder(ros_environment: None, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = start_recorder(folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait(TIMEOUT_S)


@pytest.fixture(scope="module")
def lab(recorder: "subprocess.Popen[bytes]") -> Iterator[LabDouble]:
    lab = LabDouble()
    try:
        lab.calibrate()
        lab.wait_for_recorder()
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def recorded(lab: LabDouble) -> tuple[Path, list[int], int]:
    """Folder of an episode, the steps published while it was open, and what stop counted."""
    started = lab.start()
    assert started.success, started.message
    lab.publish({contract.INSTRUCTION_TOPIC: String(data="pick up the red cube")})
    lab.publish({contract.SAFETY_EVENT_TOPIC: SafetyEvent(name="workspace", asked=[1.0])})
    steps = [lab.publish_step() for _ in range(NUM_STEPS)]
    lab.wait_sent()
    stopped = lab.stop()
    assert stopped.success, stopped.message
    assert stopped.path == started.path
    return Path(stopped.path), steps, stopped.num_messages


def test_a_recorded_episode_is_complete(recorded: tuple[Path, list[int], int]) -> None:
    path, steps, num_messages = recorded
    report = check_episode(path)
    assert report.problems == ()
    assert report.metadata is not None
    assert (report.metadata.label, report.metadata.reason) == ("success", "it lies there")
    assert (report.metadata.task, report.metadata.seed) == ("pick_place", 3)
    assert report.num_pairs >= len(steps)
    assert sum(report.counts.values()) == num_messages
    assert report.counts[contract.INSTRUCTION_TOPIC] == 1
    assert report.counts[contract.SAFETY_EVENT_TOPIC] == 1
    assert path.name.startswith("pick_place_seed3_")


def test_pixels_in_the_bag_are_those_published(recorded: tuple[Path, list[int], int]) -> None:
    path, steps, _ = recorded
    with EpisodeReader(path) as reader:
        colors, depths = dict(reader.color_frames()), dict(reader.depth_frames())
    for step in steps:
        np.testing.assert_array_equal(colors[stamp_of(step)], color_of(step))
        np.testing.assert_array_equal(depths[stamp_of(step)], depth_of(step))


def test_rosbags_opens_it_and_every_topic_of_the_contract_is_there(
    recorded: tuple[Path, list[int], int],
) -> None:
    with AnyReader([recorded[0]]) as reader:
        topics = {c.topic: c.msgtype for c in reader.connections}
        stamps: dict[str, list[int]] = {}
        for connection, stamp_ns, _ in reader.messages():
            stamps.setdefault(connection.topic, []).append(stamp_ns)
    assert topics == {t.name: t.ros_type for t in contract.EPISODE_TOPICS.values()}
    # a robot is told one instruction; only simulated demonstrations are annotated with others
    assert stamps.keys() == topics.keys() - {contract.ANNOTATION_TOPIC}
    assert all(np.all(np.diff(times) >= 0) for times in stamps.values())


def test_the_camera_is_subscribed_only_during_an_episode(
    lab: LabDouble, recorded: tuple[Path, list[int], int]
) -> None:
    images = lab.publishers[contract.COLOR_TOPIC]
    assert images.get_subscription_count() == 0
    assert lab.start().success
    assert images.get_subscription_count() == 1
    assert lab.stop(discard=True).success


def test_a_discarded_episode_leaves_nothing(lab: LabDouble, folder: Path) -> None:
    before = set(folder.iterdir())
    started = lab.start()
    assert started.success
    assert Path(started.path).is_dir()
    stopped = lab.stop(discard=True)
    assert stopped.success
    assert (stopped.path, stopped.message) == ("", "discarded")
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize("task", ["../escape", "", "a/b", ".hidden", "a..b"])
def test_a_task_that_is_no_folder_name_is_refused(lab: LabDouble, folder: Path, task: str) -> None:
    before = set(folder.parent.rglob("*"))
    started = lab.start(task=task)
    assert not started.success
    assert "cannot be a folder name" in started.message
    assert set(folder.parent.rglob("*")) == before


def test_stop_without_an_episode_is_refused(lab: LabDouble) -> None:
    stopped = lab.stop()
    assert not stopped.success
    assert "no episode is open" in stopped.message


def test_a_second_start_and_an_unknown_label_leave_the_episode_open(lab: LabDouble) -> None:
    assert lab.start().success
    second = lab.start()
    assert not second.success
    assert "still open" in second.message
    stopped = lab.stop(label="great")
    assert not stopped.success
    assert "success, failure, unknown" in stopped.message
    assert lab.stop(label="failure").success


def test_a_shutdown_closes_the_open_episode(
    lab: LabDouble, recorder: "subprocess.Popen[bytes]"
) -> None:
    # last of those that share a recorder: it ends here
    started = lab.start()
    assert started.success
    steps = [lab.publish_step() for _ in range(3)]
    lab.wait_sent()
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(TIMEOUT_S) == 0
    report = check_episode(Path(started.path))
    assert report.problems == ()
    assert report.metadata is not None
    assert report.metadata.label == "unknown"
    assert "shut down" in report.metadata.reason
    assert report.num_pairs >= len(steps)


def test_a_session_goes_on_and_images_are_compressed(tmp_path: Path) -> None:
    """A second recorder in the same folder counts on, tells what is there, and compresses."""
    killed = tmp_path / "pick_place_seed3_0004_20260131T120000.123Z"
    synthetic.write_episode(killed)
    (killed / "metadata.yaml").unlink()
    process = start_recorder(tmp_path, "color_format:=jpeg", "depth_format:=png")
    lab = LabDouble()
    try:
        lab.calibrate()
        lab.wait_for_recorder()
        started = lab.start()
        assert started.success, started.message
        assert "_0005_" in Path(started.path).name
        assert f"interrupted and to be repaired: {killed.name}" in started.message
        steps = [lab.publish_step() for _ in range(3)]
        lab.wait_sent()
        stopped = lab.stop()
        assert stopped.success, stopped.message
        report = check_episode(Path(stopped.path))
        assert report.problems == ()
        assert report.num_pairs >= len(steps)
        with EpisodeReader(Path(stopped.path)) as reader:
            assert DEPTH_COMPRESSED_TOPIC in reader.stored_topics
            colors, depths = dict(reader.color_frames()), dict(reader.depth_frames())
        for step in steps:
            np.testing.assert_array_equal(depths[stamp_of(step)], depth_of(step))
            error = np.abs(colors[stamp_of(step)].astype(int) - color_of(step))
            assert error.mean() < 2.0
    finally:
        lab.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0


def test_missing_publishers_are_named(tmp_path: Path) -> None:
    """A recorder alone: start fails, says what is silent and leaves no folder."""
    process = start_recorder(tmp_path, "wait_for_topics_s:=0.3")
    lab = LabDouble()
    try:
        lab.wait_for_recorder()
        lab.publish_step = lambda: 0  # type: ignore[method-assign]
        started = lab.start()
        assert not started.success
        for topic in (contract.COLOR_TOPIC, contract.DEPTH_INFO_TOPIC, contract.JOINTS_TOPIC):
            assert topic in started.message
        assert list(tmp_path.iterdir()) == []
    finally:
        lab.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0

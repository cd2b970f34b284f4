"""The pictures of an episode: a picture that shows something, a recording that holds it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import synthetic_episode as synthetic

from spatialbot_model.contracts import episode as contract
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.overview import PICTURE_SIZE_PX
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.report import write_report
from spatialbot_ros.episodes.writer import EpisodeWriter
from spatialbot_ros.viewer_rerun import RerunView


def test_picture_and_recording_are_written(tmp_path: Path) -> None:
    episode = synthetic.write_episode(tmp_path / "episode")
    picture, recording = write_report(episode, tmp_path / "report")
    pixels = cv2.imread(str(picture))
    assert (pixels.shape[1], pixels.shape[0]) == PICTURE_SIZE_PX
    halves = [pixels[155:700, 50:780], pixels[155:700, 820:1550], pixels[770:1250, 50:690]]
    halves += [pixels[770:1250, 890:1550]]
    assert all(part.std() > 10 for part in halves)
    assert recording.read_bytes()[:4] == b"RRF2"
    data = recording.read_bytes()
    for entity in (b"world/camera/color", b"world/depth_camera/depth", b"world/gripper_path"):
        assert entity in data


def test_an_episode_without_calibration_is_drawn_without_the_path(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode", synthetic.METADATA, reserve_bytes=0)
    writer.open()
    synthetic.write_step(writer, 0)
    writer.close("unknown", "", synthetic.stamp_of(1))
    with EpisodeReader(tmp_path / "episode") as reader:
        assert reader.T_base_camera() is None
    picture, _ = write_report(tmp_path / "episode", tmp_path)
    assert cv2.imread(str(picture)).std() > 10


def test_an_episode_without_images_is_an_error(tmp_path: Path) -> None:
    writer = EpisodeWriter(tmp_path / "episode", synthetic.METADATA, reserve_bytes=0)
    writer.open()
    writer.close("unknown", "", synthetic.FIRST_NS)
    with pytest.raises(RecordingError, match="no colour image"):
        write_report(tmp_path / "episode", tmp_path)


def test_the_view_thins_images_and_keeps_events() -> None:
    view = RerunView(image_period_s=0.2)
    messages = synthetic.messages_of(0)
    taken = []
    for step in range(10):  # 10 Hz
        if view.wants(contract.COLOR_TOPIC, synthetic.stamp_of(step)):
            view._last_ns[contract.COLOR_TOPIC] = synthetic.stamp_of(step)
            taken.append(step)
    assert taken == [0, 2, 4, 6, 8]
    assert view.wants(contract.ACTION_TOPIC, 0)
    # a clock that starts again is followed
    assert view.wants(contract.COLOR_TOPIC, 0)
    assert np.asarray(messages[contract.COLOR_TOPIC].data).size
    view.close()

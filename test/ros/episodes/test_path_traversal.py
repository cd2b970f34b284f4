"""Names in bags, datasets and questions that lead elsewhere are refused, not followed.

The recorder's service, the commands' episode names, converted episodes and weight files have
tests of their own beside what they test.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from spatialbot_model.contracts.episode import episode_folder_name
from spatialbot_model.contracts.errors import RecordingError, UnsafePathError
from spatialbot_model.data.bag_reader import bag_files
from spatialbot_model.training.question_file import QuestionFile

UPWARDS = ["../secret.png", "..", "/etc/passwd", "a/../../secret.png", "x\0y"]


@pytest.mark.parametrize("name", [*UPWARDS, "sub/episode.mcap", ""])
def test_a_bag_reads_files_of_its_own_folder_only(name: str, tmp_path: Path) -> None:
    information = {"storage_identifier": "mcap", "relative_file_paths": [name]}
    text = yaml.safe_dump({"rosbag2_bagfile_information": information})
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(UnsafePathError, match="cannot be a file's name"):
        bag_files(tmp_path)


@pytest.mark.parametrize("name", UPWARDS)
def test_questions_show_images_of_their_own_folder_only(name: str, tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>\nwhat?"}, {"from": "gpt", "value": "that"}]
    (tmp_path / "secret.png").write_bytes(b"not for training")
    path = tmp_path / "data" / "questions.json"
    path.parent.mkdir()
    path.write_text(json.dumps([{"id": "0", "image": [name], "conversations": turns}]))
    with pytest.raises(UnsafePathError, match="expected a path below"):
        QuestionFile(path).example(0, np.random.default_rng(0))


@pytest.mark.parametrize("task", ["../x", "..", "/x", "a/b", "a\0b", "a..b", ".x", ""])
def test_an_episodes_folder_is_one_component(task: str) -> None:
    with pytest.raises(RecordingError, match="folder name"):
        episode_folder_name(task, 1, "20260131T120000.123Z", 1)

"""An episode from anywhere carries definitions that rosbags would unroll until memory ends."""

from pathlib import Path

import pytest
import synthetic_episode as synthetic
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.reader import EpisodeReader


@pytest.mark.parametrize(
    ("definition", "message"),
    [("string[1000000000] x\n", "more than 2000 fields"), ("int8[-1] x\n", "-1 elements")],
)
def test_an_episode_with_a_definition_that_ros_does_not_have_is_refused(
    tmp_path: Path, definition: str, message: str
) -> None:
    episode = synthetic.write_episode(tmp_path / "episode")
    folder = tmp_path / "bag"
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, "a/msg/B"))
    with Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        # the writer's own hash, which rosbags compares when it opens a bag
        topic = writer.add_connection("/a", "a/msg/B", typestore=store)
        writer.write(topic, 1, b"\0\1\0\0\0")
    (folder / "episode.json").write_bytes((episode / "episode.json").read_bytes())
    reader = EpisodeReader(folder)
    with pytest.raises(RecordingError, match=message), reader:
        pass

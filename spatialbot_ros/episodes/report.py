"""Pictures of a recorded episode: ``overview.png`` and ``recording.rrd``."""

from pathlib import Path

from spatialbot_model.contracts.episode import EPISODE_TOPICS, TopicRole
from spatialbot_model.contracts.episode_images import logical_topic
from spatialbot_model.contracts.errors import MissingDependencyError
from spatialbot_ros.episodes.overview import draw_overview
from spatialbot_ros.episodes.reader import EpisodeReader

OVERVIEW_NAME = "overview.png"
RECORDING_NAME = "recording.rrd"


def write_report(episode: Path, output: Path) -> tuple[Path, Path]:
    """Draw `OVERVIEW_NAME` and write `RECORDING_NAME` into `output`.

    Args:
        episode: folder of the episode.
        output: folder for the two files; made when missing.

    Returns:
        Paths of the picture and of the rerun recording.

    Raises:
        RecordingError: the episode cannot be read or holds no image.
        MissingDependencyError: rerun is not installed.
    """
    output.mkdir(parents=True, exist_ok=True)
    picture, recording = output / OVERVIEW_NAME, output / RECORDING_NAME
    with EpisodeReader(episode) as reader:
        draw_overview(reader, picture)
        write_rrd(reader, recording)
    return picture, recording


def write_rrd(reader: EpisodeReader, path: Path) -> None:
    """Replay an open episode into an .rrd file, as the live viewer would have logged it.

    Raises:
        RecordingError: a message does not decode.
        MissingDependencyError: rerun is not installed.
    """
    try:
        from spatialbot_ros.viewer_rerun import RerunView
    except ImportError as error:
        raise MissingDependencyError(
            "the recording needs rerun; install it with `pip install 'spatialbot_ros[viewer]'`"
        ) from error
    view = RerunView()
    view.save(path)
    try:
        # what is latched holds for the whole episode, whenever it was received
        static = [t.name for t in EPISODE_TOPICS.values() if t.role is TopicRole.STATIC]
        for topic, stamp_ns, message in reader.messages(*static):
            view.log(topic, stamp_ns, message)
        for name, stamp_ns, data in reader.stored():
            topic = logical_topic(name)
            if topic in EPISODE_TOPICS and topic not in static and view.wants(topic, stamp_ns):
                view.log(topic, stamp_ns, reader.message(name, data))
    finally:
        view.close()

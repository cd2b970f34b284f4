"""Episodes from any of the formats into any other: sources, filters, all or nothing."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from spatialbot_model.contracts.episode import SIDECAR_NAME, check_label
from spatialbot_model.contracts.episode_contents import EpisodeContents
from spatialbot_model.contracts.errors import RecordingError, SpatialBotError, UnknownNameError
from spatialbot_model.data.lerobot_reader import LeRobotReader, is_lerobot
from spatialbot_model.data.lerobot_writer import LeRobotWriter
from spatialbot_model.data.rlds_reader import RldsReader, rlds_folder
from spatialbot_model.data.rlds_writer import RldsWriter
from spatialbot_ros.episodes.bag_contents import BagDatasetWriter, read_bag
from spatialbot_ros.episodes.listing import find_episodes

FORMATS = ("lerobot", "rlds", "rosbag2")

Progress = Callable[[int, int, float], None]
"""Called with (episodes done, episodes in all, part of the current one done)."""

Load = Callable[[], EpisodeContents]


class DatasetWriter(Protocol):
    """What every format's writer offers."""

    def __enter__(self) -> "DatasetWriter": ...

    def __exit__(self, *error: Any) -> None: ...

    def check(self, episode: EpisodeContents) -> None:
        """Refuse an episode before anything of it is written."""

    def add(self, episode: EpisodeContents, progress: Callable[[], None]) -> None:
        """Append one episode."""


@dataclass(slots=True)
class ConversionReport:
    """What was converted.

    Attributes:
        episodes, steps: written; a step is an action with its frame.
        frames_between: written frames that no action was computed from.
        refused: actions that the executor did not follow; they are no steps.
        lone_images: images left out because colour or depth of their stamp was not recorded.
        filtered: episodes left out because of their label.
        skipped: name -> why, of episodes that could not be used.
    """

    episodes: int = 0
    steps: int = 0
    frames_between: int = 0
    refused: int = 0
    lone_images: int = 0
    filtered: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def convert(
    sources: Sequence[Path],
    output: Path,
    to: str,
    *,
    video_codec: str = "av1",
    labels: Sequence[str] = (),
    skip_bad: bool = False,
    progress: Progress = lambda done, total, part: None,
) -> ConversionReport:
    """Convert all episodes of `sources` into one dataset; it appears whole or not at all.

    Args:
        sources: episodes, folders of episodes, LeRobot or RLDS datasets.
        output: folder of the new dataset; must not exist.
        to: one of `FORMATS`.
        video_codec: of LeRobot's colour videos.
        labels: only episodes with one of these labels; all when empty.
        skip_bad: leave out episodes that cannot be read or do not fit to the first one.
        progress: called after each frame.

    Raises:
        RecordingError: `output` exists, a source is not usable, or the disk does not take it.
        ActionSpecMismatchError: the episodes' actions do not mean the same.
    """
    if to not in FORMATS:
        raise UnknownNameError("dataset format", to, FORMATS)
    for label in labels:
        check_label(label)
    if output.exists():
        raise RecordingError(
            f"{output} exists already and is not overwritten; choose another folder or move it away"
        )
    report = ConversionReport()
    loads = list(_loads(sources, report, skip_bad))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial_folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise RecordingError(f"{output} cannot be made: {error.strerror}") from error
    try:
        inner = partial_folder / output.name
        with _writer(to, inner, video_codec) as writer:
            for number, load in enumerate(loads):
                _add(load, writer, report, labels, skip_bad, partial(progress, number, len(loads)))
        inner.rename(output)
    except OSError as error:
        if isinstance(error, SpatialBotError):
            raise
        raise RecordingError(f"{output} cannot be written: {error}") from error
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
    return report


def open_dataset(source: Path) -> list[tuple[str, Load]]:
    """(name, how to read it) of every episode in a source of any format.

    Raises:
        RecordingError: nothing there that could be read.
    """
    if is_lerobot(source):
        lerobot = LeRobotReader(source)
        lerobot.open()
        return [
            (f"episode {k} of {source}", partial(lerobot.episode, k))
            for k in range(lerobot.num_episodes)
        ]
    if rlds_folder(source) is not None:
        rlds = RldsReader(source)
        rlds.open()
        records = rlds.episodes()
        return [
            (f"episode {k} of {source}", partial(_next, records, source))
            for k in range(rlds.num_episodes)
        ]
    folders = find_episodes(source)
    if not folders:
        raise RecordingError(
            f"{source} holds no episode (no {SIDECAR_NAME} in or below it) and is neither a"
            " LeRobot nor an RLDS dataset"
        )
    return [(str(folder), partial(read_bag, folder)) for folder in folders]


def _next(records: Iterator[EpisodeContents], source: Path) -> EpisodeContents:
    episode = next(records, None)
    if episode is None:
        # a record's place is known from the one before it only
        raise RecordingError(f"{source} cannot be read any further, see the episode before")
    return episode


def _loads(
    sources: Sequence[Path], report: ConversionReport, skip_bad: bool
) -> Iterator[tuple[str, Load]]:
    for source in sources:
        try:
            yield from open_dataset(source)
        except RecordingError as error:
            if not skip_bad:
                raise
            report.skipped[str(source)] = str(error)


def _writer(to: str, folder: Path, video_codec: str) -> DatasetWriter:
    if to == "lerobot":
        return LeRobotWriter(folder, video_codec)
    return RldsWriter(folder) if to == "rlds" else BagDatasetWriter(folder)


def _add(
    named_load: tuple[str, Load],
    writer: DatasetWriter,
    report: ConversionReport,
    labels: Sequence[str],
    skip_bad: bool,
    progress: Callable[[float], None],
) -> None:
    name, load = named_load
    try:
        episode = load()
        if labels and episode.metadata.label not in labels:
            report.filtered += 1
            return
        writer.check(episode)
    except SpatialBotError as error:
        if not skip_bad:
            raise
        report.skipped[name] = str(error)
        return
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done / max(episode.num_frames, 1))

    writer.add(episode, tick)
    report.episodes += 1
    report.steps += len(episode.steps)
    report.frames_between += episode.num_frames - len(set(episode.steps.capture_ns.tolist()))
    report.refused += episode.num_refused
    report.lone_images += episode.num_lone_images

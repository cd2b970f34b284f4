"""Which episodes there are in a folder, and in what state."""

import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.episode import (
    COLOR_TOPIC,
    SIDECAR_NAME,
    EpisodeMetadata,
)
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.episode_sidecar import read_sidecar
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.glimpse import moment_of
from spatialbot_ros.episodes.bag_file import is_being_recorded
from spatialbot_ros.episodes.bag_information import BAG_METADATA_NAME, bag_information
from spatialbot_ros.episodes.repair import BROKEN_SUFFIX

CLOSED, RECORDING, INTERRUPTED, UNREADABLE = "closed", "recording", "interrupted", "unreadable"

_NUMBER = re.compile(r"_(\d{4,})_\d{8}T\d{6}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """One line about an episode; from its metadata alone, the messages are not read.

    Attributes:
        state: `CLOSED`, `RECORDING` (a recorder has it open), `INTERRUPTED` (its recorder ended
            without closing it) or `UNREADABLE`.
        trouble: why it is not closed; empty when it is.
        num_frames: colour images.
        num_lost: messages known to be lost.
        num_bytes: on the disk.
        metadata: None when unreadable.
    """

    folder: Path
    state: str
    trouble: str
    num_frames: int
    num_lost: int
    num_bytes: int
    metadata: EpisodeMetadata | None

    @property
    def label(self) -> str:
        """The success label; empty when unreadable."""
        return "" if self.metadata is None else self.metadata.label

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        metadata = self.metadata
        values: dict[str, Any] = {
            "folder": str(self.folder),
            "state": self.state,
            "trouble": self.trouble,
            "frames": self.num_frames,
            "lost": self.num_lost,
            "bytes": self.num_bytes,
        }
        if metadata is not None:
            for name in ("task", "instruction", "seed", "label", "reason"):
                values[name] = getattr(metadata, name)
            values["duration_s"] = metadata.duration_s
            values["glimpse"] = moment_of(metadata)
        return values


def summarise_episode(folder: Path) -> EpisodeSummary:
    """Look at one folder; raises nothing."""
    num_bytes = sum(file.stat().st_size for file in folder.glob("*") if file.is_file())
    try:
        metadata = read_sidecar(folder)
    except RecordingError as error:
        return EpisodeSummary(folder, UNREADABLE, str(error), 0, 0, num_bytes, None)
    state, trouble = CLOSED, ""
    if not (folder / BAG_METADATA_NAME).exists():
        if any(is_being_recorded(file) for file in folder.glob("*.mcap")):
            state, trouble = RECORDING, "being recorded now"
        else:
            state = INTERRUPTED
            trouble = f"its recorder was killed; run `spatialbot episodes repair {folder}`"
    color = ImageFormats.from_mapping(metadata.image_formats).stored_topic(COLOR_TOPIC)
    return EpisodeSummary(
        folder=folder,
        state=state,
        trouble=trouble,
        num_frames=metadata.counts.get(color, 0),
        num_lost=sum(metadata.drops.values()),
        num_bytes=num_bytes,
        metadata=metadata,
    )


def find_episodes(directory: Path) -> list[Path]:
    """Folders of all episodes in or below `directory`, by name; itself, when it is one.

    Hidden folders and originals that a repair kept are left out.

    Raises:
        RecordingError: there is no such directory.
    """
    if not directory.is_dir():
        raise RecordingError(f"{directory} is not a folder; give the folder that holds episodes")
    found = []
    for sidecar in directory.rglob(SIDECAR_NAME):
        parts = sidecar.parent.relative_to(directory).parts
        if not any(part.startswith(".") or part.endswith(BROKEN_SUFFIX) for part in parts):
            found.append(sidecar.parent)
    return sorted(found)


def list_episodes(directory: Path) -> list[EpisodeSummary]:
    """One summary per episode of `find_episodes`.

    Raises:
        RecordingError: there is no such directory.
    """
    return [summarise_episode(folder) for folder in find_episodes(directory)]


def find_episode(name: str, directory: Path) -> Path:
    """The folder of one episode, by its path or by its name in `directory`.

    A bare name never leads out of `directory`.

    Raises:
        RecordingError: there is no such folder, or the name is not a folder name.
    """
    if "/" in name or name == ".":
        folder = Path(name)
    elif not _NAME.fullmatch(name) or ".." in name:
        raise RecordingError(
            f"{name!r} is no name of an episode; use letters, digits or . _ -, without '..',"
            " or give a path"
        )
    else:
        folder = directory / name
        if not folder.exists() and Path(name).exists():
            folder = Path(name)
    is_half_repaired = folder.with_name(folder.name + BROKEN_SUFFIX).is_dir()
    if not folder.is_dir() and not is_half_repaired:
        raise RecordingError(
            f"there is no episode {folder}; `spatialbot episodes list {directory}` shows those"
            " there are"
        )
    return folder


def describe_episode(folder: Path) -> dict[str, Any]:
    """Everything an episode says about itself, as plain values for JSON.

    Raises:
        RecordingError: it cannot be read, or was not closed.
    """
    summary = summarise_episode(folder)
    if summary.metadata is None or summary.state != CLOSED:
        raise RecordingError(f"{folder} is {summary.state}: {summary.trouble}")
    information = bag_information(folder)
    duration_s = summary.metadata.duration_s or 0.0
    topics = {}
    for entry in information.get("topics_with_message_count", []):
        number = entry["message_count"]
        topics[entry["topic_metadata"]["name"]] = {
            "type": entry["topic_metadata"]["type"],
            "messages": number,
            "rate_hz": round(number / duration_s, 2) if duration_s else None,
        }
    formats = ImageFormats.from_mapping(summary.metadata.image_formats)
    return {
        **summary.to_mapping(),
        "metadata": summary.metadata.to_mapping(),
        "image_formats": formats.to_mapping(),
        "topics": topics,
    }


@dataclass(frozen=True, slots=True)
class SessionState:
    """What is in a recording session's folder.

    Attributes:
        num_episodes: readable ones.
        labels: how many have which label.
        interrupted: names of those whose recorder was killed.
        next_number: for the next episode.
    """

    num_episodes: int
    labels: dict[str, int]
    interrupted: tuple[str, ...]
    next_number: int

    def describe(self) -> str:
        """One sentence for people; empty for an empty session."""
        text = ""
        if self.num_episodes:
            by_label = ", ".join(f"{n} {label}" for label, n in sorted(self.labels.items()))
            text = f"the session holds {self.num_episodes} episodes ({by_label})"
        if self.interrupted:
            names = ", ".join(self.interrupted)
            text += f"{'; ' if text else ''}interrupted and to be repaired: {names}"
        return text

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def read_session(directory: Path) -> SessionState:
    """Look at the folder into which a recorder writes; a missing one is an empty session."""
    folders = sorted(directory.iterdir()) if directory.is_dir() else []
    numbers = [int(m[1]) for f in folders if (m := _NUMBER.search(f.name))]
    folders = [f for f in folders if (f / SIDECAR_NAME).is_file()]
    summaries = [
        summarise_episode(f)
        for f in folders
        if not f.name.startswith(".") and not f.name.endswith(BROKEN_SUFFIX)
    ]
    readable = [s for s in summaries if s.metadata is not None]
    return SessionState(
        num_episodes=len(readable),
        labels=dict(Counter(s.label for s in readable)),
        interrupted=tuple(s.folder.name for s in readable if s.state == INTERRUPTED),
        next_number=max(numbers, default=0) + 1,
    )

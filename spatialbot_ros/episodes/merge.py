"""Puts the episodes of several sessions into one dataset folder with an index."""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spatialbot_model.contracts.episode_sidecar import replace_text
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.bag_information import mcap_file
from spatialbot_ros.episodes.listing import CLOSED, EpisodeSummary, list_episodes

INDEX_NAME = "dataset.json"
INDEX_VERSION = 1

_DIGEST_BLOCK_BYTES = 1024**2


def merge_sessions(sources: Sequence[Path], destination: Path, *, copy: bool = False) -> Path:
    """Make a dataset of all the episodes in and below some folders.

    Files are hard links where the file system allows it (an episode's files are never changed in
    place, so that a label changed in one folder does not show up in the other), else copies.
    Episodes keep their names; of two different ones with the same name the later gets ``-2``.

    Args:
        sources: folders of sessions, or of single episodes.
        destination: new folder; it appears when everything is in it.
        copy: copy in any case.

    Returns:
        The index, `destination` / `INDEX_NAME`.

    Raises:
        RecordingError: no episode, one that is not closed, the same one twice, different
            ActionSpecs, or a destination that exists or cannot be written. Nothing is changed.
    """
    if destination.exists():
        raise RecordingError(f"{destination} exists already; a dataset gets a new folder")
    episodes = _unique(s for source in sources for s in list_episodes(source))
    if not episodes:
        raise RecordingError(f"no episode in {', '.join(str(s) for s in sources)}")
    for episode in episodes:
        if episode.state != CLOSED:
            raise RecordingError(f"{episode.folder} is {episode.state}: {episode.trouble}")
    action_spec = _common_spec(episodes)
    _refuse_duplicates(episodes)
    workshop = destination.with_name(f".{destination.name}.merging")
    try:
        shutil.rmtree(workshop, ignore_errors=True)
        workshop.mkdir(parents=True)
        names = [_place(episode.folder, workshop, copy=copy) for episode in episodes]
        entries = [
            {**e.to_mapping(), "folder": name, "source": str(e.folder.resolve())}
            for name, e in zip(names, episodes, strict=True)
        ]
        index = {"version": INDEX_VERSION, "action_spec": action_spec, "episodes": entries}
        replace_text(workshop / INDEX_NAME, json.dumps(index, indent=2) + "\n")
        workshop.rename(destination)
    except OSError as error:
        raise RecordingError(
            f"the dataset {destination} cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return destination / INDEX_NAME


def _unique(found: Any) -> list[EpisodeSummary]:
    # the same folder twice, by a source within another, is no duplicate
    return list({summary.folder.resolve(): summary for summary in found}.values())


def _common_spec(episodes: Sequence[EpisodeSummary]) -> dict[str, Any]:
    by_spec: dict[str, EpisodeSummary] = {}
    for episode in episodes:
        assert episode.metadata is not None  # closed
        by_spec.setdefault(episode.metadata.spec.id, episode)
    if len(by_spec) > 1:
        examples = ", ".join(f"{key} in {e.folder}" for key, e in by_spec.items())
        raise RecordingError(
            f"the episodes do not mean the same by an action: {examples}. Merge those of each"
            " action spec for themselves"
        )
    first = episodes[0].metadata
    assert first is not None
    return dict(first.action_spec)


def _refuse_duplicates(episodes: Sequence[EpisodeSummary]) -> None:
    by_size: dict[int, list[Path]] = {}
    for episode in episodes:
        path = mcap_file(episode.folder)
        by_size.setdefault(path.stat().st_size, []).append(path)
    for paths in by_size.values():
        if len(paths) < 2:
            continue
        seen: dict[str, Path] = {}
        for path in paths:
            twin = seen.setdefault(_digest(path), path)
            if twin is not path:
                raise RecordingError(
                    f"{path.parent} and {twin.parent} are the same episode; leave one out"
                )


def _digest(path: Path) -> str:
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(_DIGEST_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _place(source: Path, dataset: Path, *, copy: bool) -> str:
    name, suffix = source.resolve().name, 1
    while (dataset / name).exists():
        suffix += 1
        name = f"{source.resolve().name}-{suffix}"
    (dataset / name).mkdir()
    for file in sorted(source.iterdir()):
        if file.name.startswith("."):
            continue
        if file.is_symlink() or not file.is_file():
            raise RecordingError(
                f"{file} is not a plain file; an episode's folder holds plain files only"
            )
        target = dataset / name / file.name
        if copy:
            shutil.copy2(file, target)
            continue
        try:
            os.link(file, target)
        except OSError:
            # another file system, or one without links
            shutil.copy2(file, target)
    return name

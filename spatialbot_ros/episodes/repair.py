"""Recovers an episode whose recorder was killed, or whose file was cut off.

Everything that can be read goes into a new bag with an index and metadata, which then takes the
folder's name; until it is checked, the original is not touched.
"""

import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from spatialbot_model.contracts.episode import CUSTOM_DATA_KEY, EpisodeMetadata
from spatialbot_model.contracts.episode_images import ImageFormats
from spatialbot_model.contracts.episode_sidecar import (
    metadata_from_json,
    metadata_to_json,
    read_sidecar,
    write_sidecar,
)
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_ros.episodes.bag_file import BagFile, is_being_recorded, sync_files
from spatialbot_ros.episodes.bag_information import bag_information, mcap_file
from spatialbot_ros.episodes.check import EpisodeReport, check_episode
from spatialbot_ros.episodes.metadata_update import (
    is_same_metadata,
    read_metadata,
    write_metadata,
)
from spatialbot_ros.episodes.reader import EpisodeReader
from spatialbot_ros.episodes.truncated_mcap import TruncatedMcap

BROKEN_SUFFIX = ".broken"
"""What an original is called while, or because, the recovered bag is not as it should be."""

_FREE_BYTES = 16 * 1024**2
_SHORTEST_S = 1.0


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What `repair_episode` did.

    Attributes:
        folder: of the episode, as before.
        repaired: False when there was nothing to repair.
        num_messages: in the episode now.
        what: one sentence for people.
        check: what `check_episode` says about the episode now.
        original: where the original is kept; None when it was deleted or not touched.
    """

    folder: Path
    repaired: bool
    num_messages: int
    what: str
    check: EpisodeReport
    original: Path | None = None


def repair_episode(folder: Path, *, keep_original: bool = False) -> RepairReport:
    """Recover an episode in place.

    The label becomes ``unknown``, unless the episode was closed and nothing of it is lost.

    Args:
        folder: of the episode; when an earlier repair was interrupted, it is found again.
        keep_original: keep it as ``<folder>.broken`` even when all went well.

    Raises:
        RecordingError: it is being recorded, it is no episode, nothing can be recovered, or the
            disk is full; the original is as it was.
    """
    folder = Path(folder.resolve())
    broken = folder.with_name(folder.name + BROKEN_SUFFIX)
    if not folder.exists() and broken.exists():
        broken.rename(folder)
    metadata = read_metadata(folder)
    mcap = mcap_file(folder)
    if is_being_recorded(mcap):
        raise RecordingError(f"{folder} is being recorded now; stop the episode, do not repair it")
    has_sidecar = _restore_sidecar(folder, metadata)
    if _is_readable(folder):
        return _mend_metadata(folder, metadata, has_sidecar)
    if broken.exists():
        raise RecordingError(
            f"{broken} is in the way: the original of an earlier repair. Delete it or move it away"
        )
    workshop = folder.with_name(f".{folder.name}.repairing")
    shutil.rmtree(workshop, ignore_errors=True)
    try:
        recovered = _recover(mcap, workshop / folder.name, metadata)
        folder.rename(broken)
        (workshop / folder.name).rename(folder)
        sync_files(folder.parent)
    except OSError as error:
        raise RecordingError(
            f"{folder} cannot be repaired: {error.strerror or error}. The original is unchanged"
        ) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    report = check_episode(folder)
    keep_original = keep_original or not report.ok
    if not keep_original:
        shutil.rmtree(broken)
    num_messages = sum(recovered.counts.values())
    return RepairReport(
        folder=folder,
        repaired=True,
        num_messages=num_messages,
        what=f"recovered {num_messages} messages over {recovered.duration_s or 0.0:.2f} s",
        check=report,
        original=broken if keep_original else None,
    )


def _restore_sidecar(folder: Path, metadata: EpisodeMetadata) -> bool:
    try:
        read_sidecar(folder)
    except RecordingError:
        write_sidecar(folder, metadata)
        return False
    return True


def _is_readable(folder: Path) -> bool:
    try:
        with EpisodeReader(folder) as reader:
            for _ in reader.stored():
                pass
    except RecordingError:
        return False
    return True


def _mend_metadata(folder: Path, metadata: EpisodeMetadata, has_sidecar: bool) -> RepairReport:
    custom = bag_information(folder).get("custom_data") or {}
    copy = custom.get(CUSTOM_DATA_KEY)
    repaired = not has_sidecar or not is_same_metadata(copy, metadata)
    if repaired:
        if metadata.stop_ns is None and copy is not None:
            metadata = metadata_from_json(copy)
        write_metadata(folder, metadata)
    report = check_episode(folder)
    what = "the sidecar and its copy in the bag agree again" if repaired else "nothing to repair"
    return RepairReport(folder, repaired, sum(report.counts.values()), what, report)


def _recover(mcap: Path, destination: Path, metadata: EpisodeMetadata) -> EpisodeMetadata:
    size = mcap.stat().st_size
    free_bytes = shutil.disk_usage(mcap.parent).free
    if free_bytes < size + _FREE_BYTES:
        raise RecordingError(
            f"repairing {mcap.parent} needs {(size + _FREE_BYTES) / 1e6:.0f} MB beside it,"
            f" {free_bytes / 1e6:.0f} MB are free; free some space. The original is unchanged"
        )
    source = TruncatedMcap(mcap)
    topics = ImageFormats.from_mapping(metadata.image_formats).stored_topics()
    expected = {topic.name: topic.ros_type for topic in topics}
    counts: Counter[str] = Counter()
    backwards: Counter[str] = Counter()
    first_ns: dict[str, int] = {}
    last_ns: dict[str, int] = {}
    destination.parent.mkdir()
    bag = BagFile(destination, topics)
    bag.open()
    try:
        for topic, stamp_ns, data in source.messages():
            if expected.get(topic) != source.types[topic]:
                raise RecordingError(
                    f"{mcap} holds {topic} of type {source.types[topic]}, which is no topic of an"
                    " episode; this is another bag"
                )
            bag.write(topic, stamp_ns, data)
            counts[topic] += 1
            backwards[topic] += stamp_ns < last_ns.get(topic, stamp_ns)
            first_ns.setdefault(topic, stamp_ns)
            last_ns[topic] = stamp_ns
        silent = [t.name for t in topics if t.continuous and not counts[t.name]]
        span_s = (max(last_ns.values()) - min(first_ns.values())) / 1e9 if counts else 0.0
        if silent and span_s < _SHORTEST_S:
            raise RecordingError(
                f"{mcap.parent} holds {sum(counts.values())} messages and none of"
                f" {', '.join(silent)}: its recorder ended before the first of each reached the"
                " disk. There is nothing to recover; delete it"
            )
        recovered = _recovered_metadata(metadata, counts, +backwards, max(last_ns.values()))
        write_sidecar(destination, recovered)
        bag.close({CUSTOM_DATA_KEY: metadata_to_json(recovered)})
    except BaseException:
        bag.abort()
        raise
    return recovered


def _recovered_metadata(
    metadata: EpisodeMetadata,
    counts: Mapping[str, int],
    backwards: Mapping[str, int],
    last_ns: int,
) -> EpisodeMetadata:
    if metadata.stop_ns is None:
        return metadata.closed(
            label="unknown",
            reason=_reason(metadata),
            stop_ns=last_ns,
            counts=counts,
            drops=metadata.drops,
            backwards=backwards,
        )
    missing = Counter(metadata.counts) - Counter(counts)
    if not missing:
        return replace(metadata, counts=dict(counts), backwards=dict(backwards))
    now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    changed = metadata.relabelled("unknown", _reason(metadata), now)
    drops = Counter(metadata.drops) + missing
    return replace(changed, counts=dict(counts), drops=dict(drops), backwards=dict(backwards))


def _reason(metadata: EpisodeMetadata) -> str:
    return "; ".join(t for t in (metadata.reason, "recovered after an interrupted recording") if t)

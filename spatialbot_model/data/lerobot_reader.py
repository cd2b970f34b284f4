"""Reads a LeRobot dataset that `LeRobotWriter` wrote, and the exact images beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from spatialbot_model.contracts.episode_contents import EpisodeContents, StoredMessage
from spatialbot_model.contracts.episode_sidecar import metadata_from_json
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame
from spatialbot_model.data import lerobot_schema as layout
from spatialbot_model.data.lerobot_writer import image_hash
from spatialbot_model.data.step_columns import STEP_COLUMNS, steps_of_columns
from spatialbot_model.data.video import read_video

_EPISODE_COLUMN = "spatialbot/metadata"


def is_lerobot(folder: Path) -> bool:
    """Whether a folder looks like a LeRobot dataset."""
    return (folder / layout.INFO_PATH).is_file()


class LeRobotReader:
    """The episodes of one dataset.

    Args:
        folder: folder of the dataset.

    Raises:
        RecordingError: on `open`: not a dataset that holds what an episode needs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info: dict[str, Any] = {}
        self._rows: list[dict[str, Any]] = []

    def open(self) -> None:
        """Read the metadata."""
        try:
            self.info = json.loads((self.folder / layout.INFO_PATH).read_text(encoding="utf-8"))
            version = self.info["codebase_version"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{self.folder} is no LeRobot dataset: {error!r}") from error
        if version != layout.CODEBASE_VERSION:
            raise RecordingError(
                f"{self.folder} has LeRobot's layout {version}, expected"
                f" {layout.CODEBASE_VERSION}; LeRobot converts older ones"
            )
        if layout.OUR_KEY not in self.info:
            raise RecordingError(
                f"{self.folder} was not written by this software: it says nothing of an"
                " ActionSpec, exact depth or recorded stamps, so that no episode can be made of it"
            )
        self._rows = self._read_episode_rows()

    @property
    def num_episodes(self) -> int:
        """How many `episodes` gives."""
        return len(self._rows)

    def episodes(self) -> Iterator[EpisodeContents]:
        """All episodes in order.

        Raises:
            RecordingError: files are missing, cut off or changed.
        """
        for k in range(len(self._rows)):
            yield self.episode(k)

    def _read_episode_rows(self) -> list[dict[str, Any]]:
        files = sorted((self.folder / "meta/episodes").glob("*/*.parquet"))
        rows: list[dict[str, Any]] = []
        for path in files:
            table = _read_table(path)
            if _EPISODE_COLUMN not in table.column_names:
                raise RecordingError(
                    f"{path} lacks the column {_EPISODE_COLUMN}; another program has rewritten it"
                )
            kept = [name for name in table.column_names if not name.startswith("stats/")]
            rows += table.select(kept).to_pylist()
        if len(rows) != self.info["total_episodes"]:
            raise RecordingError(
                f"{self.folder} lists {len(rows)} episodes, info.json says"
                f" {self.info['total_episodes']}"
            )
        return rows

    def episode(self, k: int) -> EpisodeContents:
        """Episode number k.

        Raises:
            RecordingError: files are missing, cut off or changed.
        """
        row = self._rows[k]
        index = row["episode_index"]
        joint_names = tuple(self.info["features"]["joint_position"]["names"])
        path = self.folder / layout.DATA_PATH.format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        names = [column.name for column in STEP_COLUMNS] + [layout.DEPTH_HASH, layout.COLOR_HASH]
        table = _read_table(path, columns=names, filters=[("episode_index", "=", index)])
        columns = table.to_pydict()
        steps = steps_of_columns(columns, len(joint_names))
        if len(steps) != row["length"]:
            raise RecordingError(
                f"episode {index} of {self.folder} has {len(steps)} rows, {row['length']} are"
                " expected"
            )
        height, width, _ = self.info["features"][layout.COLOR_KEY]["shape"]
        fx, fy, cx, cy = row["spatialbot/intrinsics"]
        camera = CameraIntrinsics(
            width, height, fx, fy, cx, cy, tuple(row["spatialbot/distortion"])
        )
        hashes = {"depth": columns[layout.DEPTH_HASH], "color": columns[layout.COLOR_HASH]}
        stamps = steps.capture_ns.tolist()
        return EpisodeContents(
            name=row["spatialbot/episode"],
            metadata=metadata_from_json(row["spatialbot/metadata"]),
            intrinsics=camera,
            joint_names=joint_names,
            image_frame_id=row["spatialbot/image_frame_id"],
            steps=steps,
            messages=self._messages(index),
            type_hashes=json.loads(row["spatialbot/type_hashes"]),
            frames=lambda: self._frames(row, stamps, hashes, camera),
            num_frames=len(set(stamps)) + len(row["spatialbot/between_ns"]),
        )

    def _messages(self, index: int) -> tuple[StoredMessage, ...]:
        table = _read_table(self.folder / layout.episode_file(layout.MESSAGES_PATH, index))
        columns = (table.column(name).to_pylist() for name in ("topic", "log_time_ns", "cdr"))
        return tuple(StoredMessage(*values) for values in zip(*columns, strict=True))

    def _frames(
        self,
        row: dict[str, Any],
        stamps: list[int],
        hashes: dict[str, list[str]],
        camera: CameraIntrinsics,
    ) -> Iterator[RgbdFrame]:
        """The rows' frames and those between, merged by stamp."""
        between = self._frames_between(row, camera)
        waiting = next(between, None)
        last_ns: int | None = None
        for frame in self._frames_of_rows(row, stamps, hashes, camera):
            if frame.stamp_ns == last_ns:
                continue
            while waiting is not None and waiting.stamp_ns < frame.stamp_ns:
                yield waiting
                waiting = next(between, None)
            yield frame
            last_ns = frame.stamp_ns
        while waiting is not None:
            yield waiting
            waiting = next(between, None)

    def _frames_of_rows(
        self,
        row: dict[str, Any],
        stamps: list[int],
        hashes: dict[str, list[str]],
        camera: CameraIntrinsics,
    ) -> Iterator[RgbdFrame]:
        key = f"videos/{layout.COLOR_KEY}"
        color = self.folder / layout.VIDEO_PATH.format(
            video_key=layout.COLOR_KEY,
            chunk_index=row[f"{key}/chunk_index"],
            file_index=row[f"{key}/file_index"],
        )
        depth = self.folder / layout.episode_file(layout.DEPTH_PATH, row["episode_index"])
        start_s = row[f"{key}/from_timestamp"]
        colors = read_video(color, "rgb24", start_s=start_s, num_frames=len(stamps))
        depths = read_video(depth, "gray16le", num_frames=len(stamps))
        exact = hashes if self.info[layout.OUR_KEY]["color_exact"] else {**hashes, "color": []}
        yield from _joined(stamps, colors, depths, exact, camera, self.folder)

    def _frames_between(self, row: dict[str, Any], camera: CameraIntrinsics) -> Iterator[RgbdFrame]:
        stamps = row["spatialbot/between_ns"]
        if not stamps:
            return
        index = row["episode_index"]
        color = self.folder / layout.episode_file(layout.BETWEEN_COLOR_PATH, index)
        depth = self.folder / layout.episode_file(layout.BETWEEN_DEPTH_PATH, index)
        hashes = {kind: row[f"spatialbot/between_{kind}_sha256"] for kind in ("depth", "color")}
        colors = read_video(color, "rgb24", num_frames=len(stamps))
        depths = read_video(depth, "gray16le", num_frames=len(stamps))
        yield from _joined(stamps, colors, depths, hashes, camera, self.folder)


def _joined(
    stamps: list[int],
    colors: Iterator[Any],
    depths: Iterator[Any],
    hashes: dict[str, list[str]],
    camera: CameraIntrinsics,
    folder: Path,
) -> Iterator[RgbdFrame]:
    for k, (stamp_ns, color, depth_mm) in enumerate(zip(stamps, colors, depths, strict=True)):
        for kind, image in (("depth", depth_mm), ("color", color)):
            if hashes[kind] and image_hash(image) != hashes[kind][k]:
                raise RecordingError(
                    f"{kind} image {k} (stamp {stamp_ns} ns) in {folder} is not what was written:"
                    " its hash differs; the file is damaged"
                )
        yield RgbdFrame(stamp_ns, color, depth_mm, camera)


def _read_table(path: Path, **options: Any) -> pa.Table:
    try:
        return pq.read_table(path, **options)
    except (OSError, pa.ArrowException) as error:
        raise RecordingError(f"{path} cannot be read: {error}") from error

"""Writes a LeRobot dataset, version 3.0, one episode after the other."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from spatialbot_model.contracts.episode_contents import EpisodeContents, StoredMessage
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import RgbdFrame
from spatialbot_model.data import lerobot_schema as layout
from spatialbot_model.data.column_statistics import ColorHistogram, column_stats
from spatialbot_model.data.dataset_consistency import DatasetTraits
from spatialbot_model.data.lerobot_tables import (
    MESSAGE_SCHEMA,
    dataset_info,
    episode_row,
    tasks_table,
)
from spatialbot_model.data.step_columns import STEP_COLUMNS
from spatialbot_model.data.video import DEPTH_CODEC, VideoCodec, VideoWriter, color_codec

Progress = Callable[[], None]
"""Called once a frame."""


class LeRobotWriter:
    """Context manager; `add` streams one episode, leaving the block finishes the dataset.

    Args:
        folder: where to write; made, must be empty.
        codec: name of a `COLOR_CODECS` entry.
    """

    def __init__(self, folder: Path, codec: str = "av1") -> None:
        self.folder = folder
        self._codec: VideoCodec = color_codec(codec)
        self._traits: DatasetTraits | None = None
        self._declared: dict[str, dict[str, Any]] = {}
        self._first: EpisodeContents | None = None
        self._data = _FileCounter(layout.DATA_FILE_MB)
        self._video = _FileCounter(layout.VIDEO_FILE_MB)
        self._data_writer: pq.ParquetWriter | None = None
        self._video_writer: VideoWriter | None = None
        self._episode_writer: pq.ParquetWriter | None = None
        self._tasks: dict[str, int] = {}
        self._colors = ColorHistogram()
        self._num_episodes = 0
        self._num_rows = 0

    def __enter__(self) -> "LeRobotWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_data()
        self._close_video()
        if self._episode_writer is not None:
            self._episode_writer.close()
        if exc is None:
            self._finish()

    def check(self, episode: EpisodeContents) -> None:
        """Refuse, before anything of it is written, an episode that does not belong here.

        Raises:
            ActionSpecMismatchError: its bins mean something else than the others'.
            RecordingError: no steps, another image size, other joints or an unusable rate.
        """
        (self._traits or DatasetTraits.of(episode)).check(episode)

    def add(self, episode: EpisodeContents, progress: Progress = lambda: None) -> None:
        """Append one episode; its images are never all in memory.

        Raises:
            RecordingError: it does not fit to the others (an ActionSpecMismatchError where the
                meaning of its actions differs), or it is not complete.
        """
        self.check(episode)
        if self._traits is None:
            self._traits, self._first = DatasetTraits.of(episode), episode
            size = (self._traits.height, self._traits.width)
            self._declared = layout.features(
                episode.joint_names, *size, self._codec, self._traits.fps
            )
        video = self._open_video()
        from_frame = video.num_frames
        images = self._write_images(episode, video, progress)
        columns = self._columns(episode, images)
        self._write_rows(columns)
        self._write_messages(episode.messages)
        stats = {
            name: column_stats(np.asarray(values))
            for name, values in columns.items()
            if self._declared[name]["dtype"] != "string"
        }
        row = episode_row(
            episode,
            index=self._num_episodes,
            from_row=self._num_rows,
            data_file=self._data.indices,
            video_file=self._video.indices,
            video_span_s=(from_frame / self._traits.fps, video.num_frames / self._traits.fps),
            stats={**stats, layout.COLOR_KEY: images.colors.stats()},
            between=images.between,
        )
        self._write_episode_row(row)
        self._colors.merge(images.colors)
        self._num_episodes += 1
        self._num_rows += len(episode.steps)
        if self._data_path().stat().st_size > self._data.limit_bytes:
            self._close_data()
            self._data.next()
        if video.num_bytes > self._video.limit_bytes:
            self._close_video()
            self._video.next()

    def _write_images(
        self, episode: EpisodeContents, video: VideoWriter, progress: Progress
    ) -> "_Images":
        assert self._traits is not None
        images, fps = _Images(), self._traits.fps

        def own(template: str) -> Path:
            return self.folder / layout.episode_file(template, self._num_episodes)

        exact_color = color_codec("ffv1")
        with ExitStack() as stack:
            depth = stack.enter_context(VideoWriter(own(layout.DEPTH_PATH), DEPTH_CODEC, fps))
            between: tuple[VideoWriter, VideoWriter] | None = None
            for frame, rows in episode.frames_with_rows():
                for _ in rows:
                    video.append(frame.color)
                    depth.append(frame.depth_mm)
                    images.add_row(frame)
                if not rows:
                    if between is None:
                        between = (
                            VideoWriter(own(layout.BETWEEN_COLOR_PATH), exact_color, fps),
                            VideoWriter(own(layout.BETWEEN_DEPTH_PATH), DEPTH_CODEC, fps),
                        )
                        stack.enter_context(between[0])
                        stack.enter_context(between[1])
                    between[0].append(frame.color)
                    between[1].append(frame.depth_mm)
                    images.add_between(frame)
                progress()
        return images

    def _columns(self, episode: EpisodeContents, images: "_Images") -> dict[str, Any]:
        assert self._traits is not None
        num = len(episode.steps)
        numbers = np.arange(num)
        task = self._tasks.setdefault(episode.metadata.instruction, len(self._tasks))
        last = numbers == num - 1
        won = last & (episode.metadata.label == "success")
        columns: dict[str, Any] = {
            "observation.state": episode.steps.state,
            "action": episode.steps.action,
            **{column.name: column.values(episode.steps) for column in STEP_COLUMNS},
            layout.DEPTH_HASH: images.depth_hashes,
            layout.COLOR_HASH: images.color_hashes,
            "timestamp": (numbers / self._traits.fps).astype(np.float32),
            "frame_index": numbers,
            "episode_index": np.full(num, self._num_episodes),
            "index": numbers + self._num_rows,
            "task_index": np.full(num, task),
            "next.reward": won.astype(np.float32),
            "next.done": last,
        }
        return columns

    def _write_rows(self, columns: dict[str, Any]) -> None:
        schema = layout.data_schema(self._declared)
        arrays = [_arrow_array(columns[field.name], field.type) for field in schema]
        if self._data_writer is None:
            self._data_path().parent.mkdir(parents=True, exist_ok=True)
            self._data_writer = pq.ParquetWriter(self._data_path(), schema, compression="snappy")
        # one row group an episode: readers find it by its number
        self._data_writer.write_table(pa.Table.from_arrays(arrays, schema=schema))

    def _write_messages(self, messages: tuple[StoredMessage, ...]) -> None:
        path = self.folder / layout.episode_file(layout.MESSAGES_PATH, self._num_episodes)
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pa.table(
            [
                pa.array([message.log_time_ns for message in messages], pa.int64()),
                pa.array([message.topic for message in messages], pa.string()),
                pa.array([message.data for message in messages], pa.binary()),
            ],
            schema=MESSAGE_SCHEMA,
        )
        pq.write_table(table, path, compression="zstd")

    def _write_episode_row(self, row: dict[str, Any]) -> None:
        path = self.folder / layout.EPISODES_PATH.format(chunk_index=0, file_index=0)
        if self._episode_writer is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            table = pa.Table.from_pylist([row], schema=_schema_of(row))
            self._episode_writer = pq.ParquetWriter(path, table.schema, compression="snappy")
        self._episode_writer.write_table(
            pa.Table.from_pylist([row], schema=self._episode_writer.schema)
        )

    def _finish(self) -> None:
        if self._traits is None or self._first is None:
            raise RecordingError("no episode was converted; a dataset holds at least one")
        info = dataset_info(
            self._first,
            self._declared,
            fps=self._traits.fps,
            codec=self._codec,
            num_episodes=self._num_episodes,
            num_rows=self._num_rows,
            num_tasks=len(self._tasks),
        )
        _write_json(self.folder / layout.INFO_PATH, info)
        pq.write_table(tasks_table(self._tasks), self.folder / layout.TASKS_PATH)
        _write_json(self.folder / layout.STATS_PATH, self._dataset_stats())

    def _dataset_stats(self) -> dict[str, Any]:
        files = sorted((self.folder / "data").glob("*/*.parquet"))
        stats: dict[str, Any] = {layout.COLOR_KEY: self._colors.stats()}
        for name, feature in self._declared.items():
            if feature["dtype"] in ("video", "string"):
                continue
            # one column at a time: what must fit in memory stays small
            values = [_numpy_column(path, name) for path in files]
            stats[name] = column_stats(np.concatenate(values))
        return stats

    def _data_path(self) -> Path:
        chunk, file = self._data.indices
        return self.folder / layout.DATA_PATH.format(chunk_index=chunk, file_index=file)

    def _open_video(self) -> VideoWriter:
        if self._video_writer is None:
            assert self._traits is not None
            chunk, file = self._video.indices
            name = layout.VIDEO_PATH.format(
                video_key=layout.COLOR_KEY, chunk_index=chunk, file_index=file
            )
            writer = VideoWriter(self.folder / name, self._codec, self._traits.fps)
            self._video_writer = writer.__enter__()
        return self._video_writer

    def _close_data(self) -> None:
        if self._data_writer is not None:
            self._data_writer.close()
            self._data_writer = None

    def _close_video(self) -> None:
        if self._video_writer is not None:
            self._video_writer.__exit__(None, None, None)
            self._video_writer = None


class _Images:
    """What is remembered of an episode's images while they stream by."""

    def __init__(self) -> None:
        self.depth_hashes: list[str] = []
        self.color_hashes: list[str] = []
        self.between: dict[str, list[Any]] = {"stamps": [], "depth": [], "color": []}
        self.colors = ColorHistogram()

    def add_row(self, frame: RgbdFrame) -> None:
        self.depth_hashes.append(image_hash(frame.depth_mm))
        self.color_hashes.append(image_hash(frame.color))
        self.colors.add(frame.color)

    def add_between(self, frame: RgbdFrame) -> None:
        self.between["stamps"].append(frame.stamp_ns)
        self.between["depth"].append(image_hash(frame.depth_mm))
        self.between["color"].append(image_hash(frame.color))


class _FileCounter:
    """Chunk and file index of the file being filled."""

    def __init__(self, limit_mb: int) -> None:
        self.limit_bytes = limit_mb * 1024**2
        self._number = 0

    @property
    def indices(self) -> tuple[int, int]:
        return divmod(self._number, layout.CHUNKS_SIZE)

    def next(self) -> None:
        self._number += 1


def image_hash(image: NDArray[Any]) -> str:
    """SHA-256 of an image's pixels, row by row, little-endian."""
    little = image.astype(image.dtype.newbyteorder("<"), copy=False)
    return sha256(np.ascontiguousarray(little).tobytes()).hexdigest()


def _arrow_array(values: Any, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(np.ravel(values) if isinstance(values, np.ndarray) else values, kind)
    flat = pa.array(np.ravel(values), kind.value_type)
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def _numpy_column(path: Path, name: str) -> NDArray[Any]:
    column = pq.read_table(path, columns=[name]).column(0).combine_chunks()
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(column), column.type.list_size)


def _schema_of(row: dict[str, Any]) -> pa.Schema:
    """Types of the episodes' table; an empty list in the first episode tells no type."""
    known = {"spatialbot/between_ns": pa.list_(pa.int64())}
    known |= {
        f"spatialbot/between_{kind}_sha256": pa.list_(pa.string()) for kind in ("depth", "color")
    }
    inferred = pa.Table.from_pylist([row]).schema
    return pa.schema([pa.field(f.name, known.get(f.name, f.type)) for f in inferred])


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")

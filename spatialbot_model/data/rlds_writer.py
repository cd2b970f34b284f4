"""Writes an RLDS dataset as TensorFlow Datasets lays it out: one TFRecord per episode."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode_contents import EpisodeContents
from spatialbot_model.contracts.episode_sidecar import metadata_to_json
from spatialbot_model.contracts.errors import MissingDependencyError, RecordingError
from spatialbot_model.data import rlds_schema as layout
from spatialbot_model.data.dataset_consistency import DatasetTraits
from spatialbot_model.data.lerobot_writer import image_hash
from spatialbot_model.data.rlds_example import Values, encode_example
from spatialbot_model.data.rlds_tfrecord import write_record
from spatialbot_model.data.step_columns import STEP_COLUMNS


class RldsWriter:
    """Context manager; `add` writes one episode, leaving the block finishes the dataset.

    One episode's images are in memory at a time, compressed.

    Args:
        folder: folder of the dataset; the files go into ``<folder>/1.0.0``.
        name: name of the dataset, in snake case; of the folder when empty.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        self.folder = folder / layout.VERSION
        self._name = dataset_name(name or folder.name)
        self._traits: DatasetTraits | None = None
        self._declared: tuple[layout.Leaf, ...] = ()
        self._shard_lengths: list[int] = []
        self._file: BinaryIO | None = None
        self._shard_bytes = 0
        self._num_bytes = 0

    def __enter__(self) -> "RldsWriter":
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_shard()
        if exc is None:
            self._finish()

    def check(self, episode: EpisodeContents) -> None:
        """Refuse, before anything of it is written, an episode that does not belong here.

        Raises:
            ActionSpecMismatchError: its bins mean something else than the others'.
            RecordingError: no steps, another image size, other joints or an unusable rate.
        """
        (self._traits or DatasetTraits.of(episode)).check(episode)

    def add(self, episode: EpisodeContents, progress: Callable[[], None] = lambda: None) -> None:
        """Append one episode.

        Raises:
            RecordingError: it does not fit to the others (an ActionSpecMismatchError where the
                meaning of its actions differs), or it is not complete.
        """
        self.check(episode)
        if self._traits is None:
            self._traits = DatasetTraits.of(episode)
            size = (self._traits.height, self._traits.width)
            self._declared = layout.leaves(episode.joint_names, *size)
        values = {**_images(episode, progress), **_steps(episode), **_episode(episode)}
        record = encode_example(
            {leaf.key: _stored(leaf, values[leaf.key]) for leaf in self._declared}
        )
        try:
            written = write_record(self._open_shard(), record)
        except OSError as error:
            raise RecordingError(
                f"{self.folder} cannot be written: {error.strerror or error}"
            ) from error
        self._shard_lengths[-1] += 1
        self._shard_bytes += written
        self._num_bytes += written
        if self._shard_bytes > layout.SHARD_MB * 1024**2:
            self._close_shard()

    def _open_shard(self) -> BinaryIO:
        if self._file is None:
            self._file = self._part(len(self._shard_lengths)).open("wb")
            self._shard_lengths.append(0)
            self._shard_bytes = 0
        return self._file

    def _close_shard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part(self, number: int) -> Path:
        # how many shards there will be, and so their names, is known at the end only
        return self.folder / f".part-{number:05d}"

    def _finish(self) -> None:
        if not self._shard_lengths:
            raise RecordingError("no episode was converted; a dataset holds at least one")
        total = len(self._shard_lengths)
        for number in range(total):
            shard = f"{self._name}-{layout.SPLIT}.tfrecord-{number:05d}-of-{total:05d}"
            self._part(number).rename(self.folder / shard)
        info = {
            "name": self._name,
            "version": layout.VERSION,
            "description": "Episodes of SpatialBot with exact depth; see episode_metadata.",
            "fileFormat": "tfrecord",
            "releaseNotes": {layout.VERSION: "Converted from recorded episodes."},
            "splits": [
                {
                    "name": layout.SPLIT,
                    "numBytes": str(self._num_bytes),
                    "shardLengths": [str(length) for length in self._shard_lengths],
                    "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
                }
            ],
        }
        for name, content in (
            ("dataset_info.json", info),
            ("features.json", layout.features_json(self._declared)),
        ):
            text = json.dumps(content, indent=4, ensure_ascii=False)
            (self.folder / name).write_text(text + "\n", encoding="utf-8")


def dataset_name(text: str) -> str:
    """A name that TensorFlow Datasets accepts: snake case, beginning with a letter."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return name if re.match(r"[a-z]", name) else f"episodes_{name}".rstrip("_")


def _images(episode: EpisodeContents, progress: Callable[[], None]) -> dict[str, Any]:
    values: dict[str, Any] = {
        layout.IMAGE: [],
        layout.DEPTH: [],
        f"{layout.STEPS}/depth_sha256": [],
    }
    for name in ("capture_ns", "image", "depth"):
        values[f"{layout.BETWEEN}/{name}"] = []
    for frame, rows in episode.frames_with_rows():
        color, depth = _png(frame.color), _png(frame.depth_mm)
        for _ in rows:
            values[layout.IMAGE].append(color)
            values[layout.DEPTH].append(depth)
            values[f"{layout.STEPS}/depth_sha256"].append(image_hash(frame.depth_mm))
        if not rows:
            values[f"{layout.BETWEEN}/capture_ns"].append(frame.stamp_ns)
            values[f"{layout.BETWEEN}/image"].append(color)
            values[f"{layout.BETWEEN}/depth"].append(depth)
        progress()
    return values


def _steps(episode: EpisodeContents) -> dict[str, Any]:
    num, steps = len(episode.steps), layout.STEPS
    last = np.arange(num) == num - 1
    values = {
        f"{steps}/observation/state": episode.steps.state,
        f"{steps}/action": episode.steps.action,
        f"{steps}/reward": last * float(episode.metadata.label == "success"),
        f"{steps}/discount": np.ones(num),
        f"{steps}/is_first": np.arange(num) == 0,
        f"{steps}/is_last": last,
        f"{steps}/is_terminal": last,
        f"{steps}/language_instruction": [episode.metadata.instruction] * num,
    }
    exact = {f"{layout.EXACT}/{c.name}": c.values(episode.steps) for c in STEP_COLUMNS}
    return values | exact


def _episode(episode: EpisodeContents) -> dict[str, Any]:
    metadata, camera = episode.metadata, episode.intrinsics
    own = {
        "file_path": episode.name,
        "task": metadata.task,
        "label": metadata.label,
        "image_frame_id": episode.image_frame_id,
        "success": metadata.label == "success",
        "seed": -1 if metadata.seed is None else metadata.seed,
        "metadata": metadata_to_json(metadata),
        "action_spec": json.dumps(dict(metadata.action_spec), sort_keys=True),
        "joint_names": json.dumps(list(episode.joint_names)),
        "type_hashes": json.dumps(dict(episode.type_hashes), sort_keys=True),
        "intrinsics": [camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px],
        "distortion": camera.distortion,
    }
    values: dict[str, Any] = {f"{layout.EPISODE}/{name}": [value] for name, value in own.items()}
    values[f"{layout.MESSAGES}/log_time_ns"] = [m.log_time_ns for m in episode.messages]
    values[f"{layout.MESSAGES}/topic"] = [m.topic for m in episode.messages]
    values[f"{layout.MESSAGES}/cdr"] = [m.data for m in episode.messages]
    return values


def _stored(leaf: layout.Leaf, values: Any) -> Values:
    if leaf.kind == "image":
        return list(values)
    if leaf.dtype == "string":
        return [v if isinstance(v, bytes) else v.encode("utf-8") for v in values]
    if leaf.as_bytes:
        return [np.asarray(value, dtype="<f8").tobytes() for value in values]
    stored: type = np.float32 if leaf.dtype == "float32" else np.int64
    return np.ravel(np.asarray(values)).astype(stored)


def _png(image: NDArray[Any]) -> bytes:
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            "RLDS images need OpenCV; install it with `pip install opencv-python-headless`"
        ) from error
    pixels = image[..., ::-1] if image.ndim == 3 else image
    # level 1: a third of the time for a tenth more bytes
    done, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise RecordingError(f"an image of {image.shape} cannot be written as PNG")
    return bytes(encoded.tobytes())

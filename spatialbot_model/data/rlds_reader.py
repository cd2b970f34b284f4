"""Reads an RLDS dataset that `RldsWriter` wrote."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.episode_contents import EpisodeContents, StoredMessage
from spatialbot_model.contracts.episode_sidecar import metadata_from_json
from spatialbot_model.contracts.errors import RecordingError
from spatialbot_model.contracts.types import CameraIntrinsics, RgbdFrame
from spatialbot_model.data import rlds_schema as layout
from spatialbot_model.data.lerobot_writer import image_hash
from spatialbot_model.data.rlds_example import Values, decode_example
from spatialbot_model.data.rlds_tfrecord import read_records
from spatialbot_model.data.step_columns import STEP_COLUMNS, steps_of_columns


def rlds_folder(folder: Path) -> Path | None:
    """Where the files of a dataset lie, in `folder` or in its version; None when nowhere."""
    for candidate in (folder, folder / layout.VERSION):
        if (candidate / "features.json").is_file():
            return candidate
    return None


class RldsReader:
    """The episodes of one dataset.

    Args:
        folder: folder of the dataset or of its version.

    Raises:
        RecordingError: on `open`: not an RLDS dataset.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._shards: list[tuple[Path, int]] = []

    def open(self) -> None:
        """Read dataset_info.json and find the shards."""
        found = rlds_folder(self.folder)
        try:
            if found is None:
                raise FileNotFoundError("features.json")
            info = json.loads((found / "dataset_info.json").read_text(encoding="utf-8"))
            name, version = info["name"], info["fileFormat"]
            splits = [(split["name"], split["shardLengths"]) for split in info["splits"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecordingError(f"{self.folder} is no RLDS dataset: {error!r}") from error
        if version != "tfrecord":
            raise RecordingError(f"{self.folder} is stored as {version}, expected tfrecord")
        for split, lengths in splits:
            for number, length in enumerate(lengths):
                shard = f"{name}-{split}.tfrecord-{number:05d}-of-{len(lengths):05d}"
                self._shards.append((found / shard, int(length)))

    @property
    def num_episodes(self) -> int:
        """How many `episodes` gives."""
        return sum(length for _, length in self._shards)

    def episodes(self) -> Iterator[EpisodeContents]:
        """All episodes in order.

        Raises:
            RecordingError: files are missing or damaged, or not written by this software.
        """
        for path, length in self._shards:
            number = 0
            for record in read_records(path):
                yield _episode(decode_example(record), f"record {number} of {path}")
                number += 1
            if number != length:
                raise RecordingError(
                    f"{path} holds {number} episodes, dataset_info.json says {length}"
                )


def _episode(values: dict[str, Any], where: str) -> EpisodeContents:
    needed = (f"{layout.EPISODE}/metadata", f"{layout.MESSAGES}/cdr", f"{layout.BETWEEN}/image")
    missing = [key for key in needed if key not in values]
    if missing:
        raise RecordingError(
            f"{where} lacks {', '.join(missing)}; it was not written by this software, and no"
            " episode can be made of it"
        )

    def text(name: str) -> str:
        return str(values[f"{layout.EPISODE}/{name}"][0].decode("utf-8"))

    try:
        joint_names = tuple(json.loads(text("joint_names")))
        steps = steps_of_columns(_columns(values), len(joint_names))
        [encoded] = values[f"{layout.EPISODE}/intrinsics"]
        fx, fy, cx, cy = np.frombuffer(encoded, "<f8").tolist()
        [encoded] = values[f"{layout.EPISODE}/distortion"]
        distortion = tuple(np.frombuffer(encoded, "<f8").tolist())
        first = _image(values[layout.IMAGE][0])
        camera = CameraIntrinsics(first.shape[1], first.shape[0], fx, fy, cx, cy, distortion)
        messages = tuple(
            StoredMessage(topic.decode("utf-8"), int(log_time_ns), data)
            for topic, log_time_ns, data in zip(
                *(values[f"{layout.MESSAGES}/{name}"] for name in ("topic", "log_time_ns", "cdr")),
                strict=True,
            )
        )
        metadata = metadata_from_json(text("metadata"))
    except (ValueError, KeyError, IndexError) as error:
        raise RecordingError(f"{where} cannot be used: {error!r}") from error
    stamps = steps.capture_ns.tolist()
    between = [int(stamp) for stamp in values[f"{layout.BETWEEN}/capture_ns"]]
    return EpisodeContents(
        name=text("file_path"),
        metadata=metadata,
        intrinsics=camera,
        joint_names=joint_names,
        image_frame_id=text("image_frame_id"),
        steps=steps,
        messages=messages,
        type_hashes=json.loads(text("type_hashes")),
        frames=lambda: _frames(values, stamps, between, camera, where),
        num_frames=len(set(stamps)) + len(between),
    )


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    num = len(values[f"{layout.EXACT}/source"])
    columns: dict[str, Any] = {}
    for column in STEP_COLUMNS:
        stored: Values = values[f"{layout.EXACT}/{column.name}"]
        if column.dtype == "string":
            columns[column.name] = [value.decode("utf-8") for value in stored]
        elif column.dtype == "float64":
            columns[column.name] = [np.frombuffer(value, "<f8") for value in stored]
        else:
            columns[column.name] = np.asarray(stored).reshape(num, -1)
    return columns


def _frames(
    values: dict[str, Any],
    stamps: list[int],
    between: list[int],
    camera: CameraIntrinsics,
    where: str,
) -> Iterator[RgbdFrame]:
    hashes = values[f"{layout.STEPS}/depth_sha256"]
    # (stamp, key prefix, index): each stamp once, in order of time
    order = {stamp: (f"{layout.STEPS}/observation", k) for k, stamp in enumerate(stamps)}
    order |= {stamp: (layout.BETWEEN, k) for k, stamp in enumerate(between)}
    for stamp_ns, (parent, k) in sorted(order.items()):
        depth_mm = _image(values[f"{parent}/depth"][k])
        if parent != layout.BETWEEN and image_hash(depth_mm) != hashes[k].decode("ascii"):
            raise RecordingError(f"{where}: the depth image of step {k} is not what was written")
        yield RgbdFrame(stamp_ns, _image(values[f"{parent}/image"][k]), depth_mm, camera)


def _image(png: bytes) -> NDArray[Any]:
    import cv2

    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise RecordingError("an image of the dataset is no PNG; the file is damaged")
    return np.ascontiguousarray(image[..., ::-1]) if image.ndim == 3 else np.asarray(image)

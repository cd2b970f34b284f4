"""Episodes as the question-answer JSON that the release trains on.

The released trainer reads one list of records ``{id, image, conversations}``; ``image`` holds
paths below its image folder, colour and depth by turns, and each conversation goes
``{from: human | gpt, value}`` by turns, placeholders ``<image 1>`` .. ``<image 8>`` included,
system sentence and ``USER:`` not. It reads depth from 16-bit PNG in millimetres and encodes it
itself; ``encoded`` writes the three channels for readers that do not.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.depth_codec import DEFAULT_PROFILE, depth_profile
from spatialbot_model.contracts.errors import ConfigurationError, RecordingError
from spatialbot_model.contracts.prompt_templates import action_user_text
from spatialbot_model.contracts.types import IMAGE_ROLES, ImageRole, RgbdFrame
from spatialbot_model.data.prompts import answer_text
from spatialbot_model.data.samples import EpisodeDataset, Sample

DepthFiles = Literal["mm16", "encoded"]

DEPTH_FILES: tuple[DepthFiles, ...] = ("mm16", "encoded")

QA_NAME = "spatialqa_e.json"
IMAGES_NAME = "images"
SPEC_NAME = "action_spec.json"


@dataclass(frozen=True, slots=True)
class QaExport:
    """How episodes are written.

    Attributes:
        folder: gets `QA_NAME`, `SPEC_NAME` and the folder `IMAGES_NAME`.
        depth: ``mm16`` = 16-bit PNG in millimetres, ``encoded`` = three channels of `profile`.
        profile: of encoded depth.
        roles: images of each frame.

    Raises:
        ConfigurationError: an unknown form of depth, or an unknown profile.
    """

    folder: Path
    depth: DepthFiles = "mm16"
    profile: str = DEFAULT_PROFILE
    roles: tuple[ImageRole, ...] = IMAGE_ROLES

    def __post_init__(self) -> None:
        if self.depth not in DEPTH_FILES:
            raise ConfigurationError(
                f"depth files are {self.depth!r}, expected one of: {', '.join(DEPTH_FILES)}"
            )
        depth_profile(self.profile)


def qa_record(sample: Sample, images: Sequence[str]) -> dict[str, Any]:
    """One record of the release's JSON.

    Raises:
        ConfigurationError: more than eight images.
    """
    return {
        "id": f"{sample.episode}_{sample.step:06d}",
        "image": list(images),
        "conversations": [
            {"from": "human", "value": action_user_text(sample.instruction, len(images))},
            {"from": "gpt", "value": answer_text(sample.answer, "text")},
        ],
    }


def export_qa(
    dataset: EpisodeDataset,
    export: QaExport,
    on_sample: Callable[[int], None] | None = None,
) -> int:
    """Write all samples; image files that are there already are kept, so that it can go on.

    Each frame is written once, however many samples show it. The JSON appears when it is whole.

    Args:
        on_sample: called with the number of samples done, for progress.

    Returns:
        Number of records.

    Raises:
        RecordingError: the folder holds another export, two episodes have one name, or the disk
            does not take it.
        DepthCodecError: a depth beyond the profile's range.
    """
    names = [episode.name for episode in dataset.episodes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecordingError(
            f"several episodes are called {', '.join(twice[:3])}; records and images are named"
            " after their episode, so rename one or export them one by one"
        )
    path = export.folder / QA_NAME
    if path.exists():
        raise RecordingError(f"{path} exists already and is not overwritten; choose another folder")
    records = []
    try:
        for number, sample in enumerate(dataset, 1):
            images = [
                _write_image(export, sample.episode, frame, role)
                for frame in sample.frames
                for role in export.roles
            ]
            records.append(qa_record(sample, images))
            if on_sample is not None:
                on_sample(number)
        _write_json(export.folder / SPEC_NAME, dataset.action_spec.to_mapping())
        _write_json(path, records)
    except OSError as error:
        raise RecordingError(
            f"{export.folder} cannot be written: {error.strerror or error}; images written so far"
            " are kept, and the same command goes on with them"
        ) from error
    return len(records)


def _write_image(export: QaExport, episode: str, frame: RgbdFrame, role: ImageRole) -> str:
    """Path of one image below the image folder; written unless it is there."""
    name = f"{episode}/{role}/{frame.stamp_ns:020d}.png"
    path = export.folder / IMAGES_NAME / name
    if path.exists():
        return name
    pixels: NDArray[Any]
    if role == "rgb":
        pixels = frame.color[..., ::-1]
    elif export.depth == "mm16":
        pixels = frame.depth_mm
    else:
        pixels = depth_profile(export.profile).encode(frame.depth_mm)[..., ::-1]
    done, data = cv2.imencode(".png", np.ascontiguousarray(pixels))
    if not done:
        raise RecordingError(f"{path}: an image of {pixels.dtype} {pixels.shape} is no PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, data.tobytes())
    return name


def _write_json(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

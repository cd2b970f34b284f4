"""Depth of pictures that have none: estimators that answer in metres, through transformers.

Their outputs are stored as 16-bit PNGs beside a description of how they were made; a folder that
was begun is gone on with.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import (
    CheckpointError,
    ConfigurationError,
    RecordingError,
)
from spatialbot_model.spatialqa.depth_sources import DepthScale, to_millimetres
from spatialbot_model.spatialqa.readers.pictures import picture_files, read_picture

ABOUT_NAME = "depth.json"

INDOOR_METRES = DepthScale(1000.0, 20_000)
"""What estimators answer, as far as rooms and halls go."""


@dataclass(frozen=True, slots=True)
class MonocularOptions:
    """Which estimator, and what of its answers is kept.

    Attributes:
        model: folder or hub id of a ZoeDepth or metric Depth Anything checkpoint.
        scale: of the model's output; what is farther than its limit is cut off to 0.
        device: such as ``cpu`` or ``cuda``.
    """

    model: str
    scale: DepthScale = INDOOR_METRES
    device: str = "cpu"


class MonocularDepth:
    """An estimator that is loaded; made by `open`."""

    def __init__(self, processor: Any, model: Any, options: MonocularOptions) -> None:
        self._processor, self._model, self._options = processor, model, options

    @classmethod
    def open(cls, options: MonocularOptions) -> "MonocularDepth":
        """Load weights.

        Raises:
            CheckpointError: they are not there, or the model's answers are not metres.
        """
        from transformers import AutoModelForDepthEstimation

        try:
            model = AutoModelForDepthEstimation.from_pretrained(options.model)
            kind = model.config.model_type
            if kind != "zoedepth" and not (
                kind == "depth_anything" and model.config.depth_estimation_type == "metric"
            ):
                raise CheckpointError(
                    f"{options.model!r} ({kind}) is not known to answer in metres, and no scale"
                    " turns relative depth into millimetres; use ZoeDepth or a metric Depth"
                    " Anything checkpoint"
                )
            processor = _processor_class(kind).from_pretrained(options.model)
        except (OSError, ValueError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"cannot load a depth estimator from {options.model!r}: {error}"
            ) from error
        return cls(processor, model.to(options.device).eval(), options)

    def estimate(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Depth of (H, W, 3) uint8 RGB as (H, W) uint16 mm."""
        import torch

        inputs = self._processor(images=rgb, return_tensors="pt").to(self._options.device)
        with torch.inference_mode():
            depth_BHW = self._model(**inputs).predicted_depth
            height_px, width_px = rgb.shape[:2]
            border_v_px, border_u_px = self._borders_px(height_px, width_px)
            # the library's own way back to the picture's size needs torchvision
            resized = torch.nn.functional.interpolate(
                depth_BHW[:, None].float(),
                (height_px + 2 * border_v_px, width_px + 2 * border_u_px),
                mode="bicubic",
                align_corners=False,
            )
        inner = resized[
            0, 0, border_v_px : border_v_px + height_px, border_u_px : border_u_px + width_px
        ]
        return to_millimetres(inner.cpu().numpy(), self._options.scale)

    def _borders_px(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns that ZoeDepth's processor has added on each side."""
        if self._model.config.model_type != "zoedepth" or not self._processor.do_pad:
            return 0, 0
        return int(math.sqrt(height_px / 2) * 3), int(math.sqrt(width_px / 2) * 3)


def _processor_class(kind: str) -> Any:
    # by name: the library's own choice asks for torchvision in transformers 5.17
    if kind == "zoedepth":
        from transformers.models.zoedepth.image_processing_pil_zoedepth import (
            ZoeDepthImageProcessorPil,
        )

        return ZoeDepthImageProcessorPil
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    return DPTImageProcessorPil


def write_depths(
    images: Path,
    output: Path,
    options: MonocularOptions,
    on_image: Callable[[int, int], None] | None = None,
) -> list[tuple[str, str]]:
    """Estimate the depth of every picture below a folder; those already there are kept.

    Args:
        on_image: called with the number of pictures done and of all.

    Returns:
        Pictures that could not be read, and why.

    Raises:
        CheckpointError: see `MonocularDepth.open`.
        ConfigurationError: no picture, or `output` was made by something else.
        RecordingError: the disk does not take it.
    """
    pictures = picture_files(images)
    _check_about(output, options)
    missing = [stem for stem in pictures if not (output / f"{stem}.png").exists()]
    if not missing:
        return []
    estimator = MonocularDepth.open(options)
    return _write(pictures, missing, output, estimator, on_image)


def _write(
    pictures: dict[str, Path],
    missing: Sequence[str],
    output: Path,
    estimator: MonocularDepth,
    on_image: Callable[[int, int], None] | None,
) -> list[tuple[str, str]]:
    skipped = []
    for number, stem in enumerate(missing, 1):
        try:
            rgb = read_picture(pictures[stem])
        except ConfigurationError as error:
            skipped.append((stem, str(error)))
            continue
        done, data = cv2.imencode(".png", estimator.estimate(rgb))
        assert done
        _replace(output / f"{stem}.png", data.tobytes())
        if on_image is not None:
            on_image(len(pictures) - len(missing) + number, len(pictures))
    return skipped


def _check_about(output: Path, options: MonocularOptions) -> None:
    about = {"model": options.model, **asdict(options.scale)}
    path = output / ABOUT_NAME
    if path.exists():
        try:
            stored = json.loads(path.read_bytes())
        except ValueError as error:
            raise ConfigurationError(f"cannot read {path}: {error}") from error
        if stored != about:
            raise ConfigurationError(
                f"{output} was made with {stored}, now asked for: {about}; choose another folder"
            )
        return
    _replace(path, (json.dumps(about, indent=1) + "\n").encode())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror or error}") from error

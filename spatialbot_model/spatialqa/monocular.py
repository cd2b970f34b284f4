"""Depth of pictures that have none: estimators that answer in metres, through transformers.

Their outputs are stored as 16-bit PNGs beside a description of how they were made; a folder that
was begun is gone on with.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import CheckpointError, ConfigurationError, RecordingError
from spatialbot_model.spatialqa.depth_sources import DepthScale, to_millimetres
from spatialbot_model.spatialqa.readers.pictures import picture_files, read_picture

ABOUT_NAME = "depth.json"

INDOOR_METRES = DepthScale(1000.0, 20_000)
"""What estimators answer, as far as rooms and halls go."""


@dataclass(frozen=True, slots=True)
class MonocularOptions:
    """Which estimator, and what of its answers is kept.

    Attributes:
        model: folder or hub id of a ZoeDepth, DepthPro or metric Depth Anything checkpoint.
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
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        try:
            model = AutoModelForDepthEstimation.from_pretrained(options.model)
            processor = AutoImageProcessor.from_pretrained(options.model)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"cannot load a depth estimator from {options.model!r}: {error}"
            ) from error
        kind = model.config.model_type
        metric = kind in ("zoedepth", "depth_pro") or (
            getattr(model.config, "depth_estimation_type", "") == "metric"
        )
        if not metric:
            raise CheckpointError(
                f"{options.model!r} ({kind}) answers relative depth, which no scale turns into"
                " millimetres; use ZoeDepth, DepthPro or a metric Depth Anything checkpoint"
            )
        return cls(processor, model.to(options.device).eval(), options)

    def estimate(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Depth of (H, W, 3) uint8 RGB as (H, W) uint16 mm."""
        import torch

        inputs = self._processor(images=rgb, return_tensors="pt").to(self._options.device)
        size = rgb.shape[:2]
        with torch.inference_mode():
            outputs = self._model(**inputs)
        arguments: dict[str, Any] = {"target_sizes": [size]}
        if self._model.config.model_type == "zoedepth":
            # the borders that its processor adds are cut off again
            arguments["source_sizes"] = [size]
        answer = self._processor.post_process_depth_estimation(outputs, **arguments)[0]
        depth = answer["predicted_depth"].squeeze().float().cpu().numpy()
        return to_millimetres(depth, self._options.scale)


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

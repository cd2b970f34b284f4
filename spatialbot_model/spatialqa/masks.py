"""Masks from annotations: polygons and run lengths as COCO stores them."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError

_SUBPIXEL_BITS = 4


def mask_from_coco(segmentation: Any, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """A COCO `segmentation`: polygons, or run lengths as numbers or as a string.

    Returns:
        (H, W) bool.

    Raises:
        ConfigurationError: none of these, or not of an image of this size.
    """
    if isinstance(segmentation, dict):
        return mask_from_runs(segmentation, width_px, height_px)
    if isinstance(segmentation, list):
        return mask_from_polygons(segmentation, width_px, height_px)
    raise ConfigurationError(
        f"a segmentation is a {type(segmentation).__name__}, expected polygons or run lengths"
    )


def mask_from_polygons(
    polygons: Sequence[Sequence[float]], width_px: int, height_px: int
) -> NDArray[np.bool_]:
    """Polygons ``[x0, y0, x1, y1, ...]`` in pixels, (0, 0) being the corner of the first pixel.

    Pixels that an edge crosses belong to the mask.

    Raises:
        ConfigurationError: a polygon of less than three points, or of other things than numbers.
    """
    mask = np.zeros((height_px, width_px), np.uint8)
    for polygon in polygons:
        try:
            numbers = np.array(polygon, np.float64)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"a polygon holds something else than numbers: {error}"
            ) from error
        if (
            numbers.ndim != 1
            or len(numbers) < 6
            or len(numbers) % 2
            or not np.isfinite(numbers).all()
        ):
            raise ConfigurationError(
                f"a polygon of {len(numbers)} numbers; expected x and y of three points or more"
            )
        # the centre of the first pixel is (0.5, 0.5) there and (0, 0) for OpenCV
        points = np.round((numbers.reshape(-1, 2) - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(mask, [points], 1, shift=_SUBPIXEL_BITS)
    return mask.astype(np.bool_)


def mask_from_runs(
    segmentation: dict[str, Any], width_px: int, height_px: int
) -> NDArray[np.bool_]:
    """Run lengths ``{size: [height, width], counts}`` along columns, beginning with zeros.

    Raises:
        ConfigurationError: runs that do not fill an image of this size.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if size != [height_px, width_px]:
        raise ConfigurationError(
            f"run lengths of an image of (height, width) {size}, expected [{height_px}, {width_px}]"
        )
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    runs = _unpack(counts) if isinstance(counts, str) else counts
    if (
        not isinstance(runs, list)
        or not all(isinstance(run, int) and run >= 0 for run in runs)
        or sum(runs) != width_px * height_px
    ):
        raise ConfigurationError(f"the run lengths do not add up to {width_px * height_px} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width_px, height_px).T.copy()


def runs_of_mask(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """The inverse of `mask_from_runs`, with counts as numbers."""
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if flat.size and flat[0] else runs}


def _unpack(text: str) -> list[int]:
    """COCO's string form: five bits a letter, differences to the run before the last."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64:
            raise ConfigurationError(f"run lengths hold the letter {letter!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs

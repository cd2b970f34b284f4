"""Depth from files: whatever the sensor or an estimator stored, as uint16 millimetres.

Nothing guesses units: what a number means is declared, 8-bit pictures of depth are refused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError, MissingDependencyError

FARTHEST_MM = 65535

SUFFIXES = (".png", ".tiff", ".tif", ".exr", ".npy")


@dataclass(frozen=True, slots=True)
class DepthScale:
    """What a stored number means.

    Attributes:
        mm_per_unit: 1 for millimetres, 1000 for metres, 0.2 for TUM's PNGs.
        max_mm: what is farther is no measurement; becomes 0.

    Raises:
        ConfigurationError: a scale that is not positive, or a limit beyond 16 bits.
    """

    mm_per_unit: float = 1.0
    max_mm: int = FARTHEST_MM

    def __post_init__(self) -> None:
        if not 0.0 < self.mm_per_unit < 1e6 or not 0 < self.max_mm <= FARTHEST_MM:
            raise ConfigurationError(
                f"{self.mm_per_unit} mm a unit up to {self.max_mm} mm; expected a positive scale"
                f" and a limit of 1..{FARTHEST_MM} mm"
            )


MILLIMETRES = DepthScale()
METRES = DepthScale(1000.0)
TUM = DepthScale(0.2)


def read_depth(path: Path, scale: DepthScale | None = None) -> NDArray[np.uint16]:
    """A depth file as (H, W) uint16 millimetres, 0 = no return.

    Args:
        scale: what a number means; None = millimetres in integer files, metres in others.

    Raises:
        ConfigurationError: no such file, no depth image, or 8 bits.
        MissingDependencyError: an EXR file without the package OpenEXR.
    """
    stored = _load(path)
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[..., 0]
    if stored.ndim != 2 or stored.size == 0 or stored.dtype.kind not in "uf":
        raise ConfigurationError(
            f"{path} holds {stored.dtype} {stored.shape}; expected one channel of depth"
        )
    if stored.dtype.itemsize == 1:
        raise ConfigurationError(
            f"{path} holds 8-bit numbers: a picture of depth, no depth; expected 16-bit integers"
            " or floating-point numbers"
        )
    if scale is None:
        scale = MILLIMETRES if stored.dtype.kind == "u" else METRES
    return to_millimetres(stored, scale)


def to_millimetres(depth: NDArray[Any], scale: DepthScale) -> NDArray[np.uint16]:
    """Numbers in any unit -> uint16 mm, rounded; 0 where not finite, not positive or too far."""
    if depth.dtype == np.uint16 and scale == MILLIMETRES:
        return depth
    depth_mm = depth.astype(np.float64) * scale.mm_per_unit
    valid = np.isfinite(depth_mm) & (depth_mm > 0) & (depth_mm <= scale.max_mm)
    return np.where(valid, np.round(depth_mm), 0).astype(np.uint16)


def depth_files(folder: Path) -> dict[str, Path]:
    """Depth files below a folder by name without suffix.

    Raises:
        ConfigurationError: there is none, or two have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ConfigurationError(f"{found[path.stem]} and {path} have one name")
        found[path.stem] = path
    if not found:
        raise ConfigurationError(f"{folder} holds no depth file; expected {', '.join(SUFFIXES)}")
    return found


def _load(path: Path) -> NDArray[Any]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False))
        if suffix == ".exr":
            return _load_exr(path)
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the depth in {path}: {error}") from error
    image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise ConfigurationError(f"{path} is no depth image that can be read")
    return np.asarray(image)


def _load_exr(path: Path) -> NDArray[Any]:
    try:
        import OpenEXR
    except ImportError as error:
        raise MissingDependencyError(
            f"{path}: EXR files need the package OpenEXR ({error}); `pip install OpenEXR`, or"
            " store depth as 16-bit PNG in millimetres"
        ) from error
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = file.channels()
            name = next((n for n in ("Z", "Y", "R") if n in channels), None)
            if name is None:
                raise ConfigurationError(
                    f"{path} has the channels {sorted(channels)}; depth is expected in Z, Y or R"
                )
            return np.array(channels[name].pixels)
    except RuntimeError as error:
        raise ConfigurationError(f"cannot read the depth in {path}: {error}") from error

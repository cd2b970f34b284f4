"""Camera images -> what the vision tower is shown.

What an image is was declared by whoever made it (`PromptImage.role`); nothing here looks at the
number of its bands. Two modes:

- ``exact`` (default): raw depth is resized by nearest neighbour and then encoded, so that every
  pixel decodes to a depth that was measured; colour is area-averaged.
- ``release``: what the released weights were trained on. Depth is encoded first and then padded
  and resized like a photograph, which corrupts the codes at every edge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.depth_codec import DEFAULT_PROFILE, depth_profile
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.prompt_templates import GEOMETRIES, Geometry
from spatialbot_model.contracts.types import PromptImage

ImageMode = Literal["release", "exact"]

IMAGE_MODES: tuple[ImageMode, ...] = ("release", "exact")

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How images are prepared for one vision tower.

    Attributes:
        size: side of the square that the tower sees [px].
        mode: see the module.
        geometry: pad = keep the aspect and fill up with the mean colour, depth with 0 (no
            return); squash = stretch.
        depth_profile: name in `DEPTH_PROFILES`.
        mean, std: of (value / 255) per channel, for colour and encoded depth alike.

    Raises:
        ConfigurationError: a value that cannot be used.
    """

    size: int
    mode: ImageMode = "exact"
    geometry: Geometry = "pad"
    depth_profile: str = DEFAULT_PROFILE
    mean: Triple = (0.5, 0.5, 0.5)
    std: Triple = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        depth_profile(self.depth_profile)
        if self.mode not in IMAGE_MODES:
            raise ConfigurationError(f"image mode is {self.mode!r}, expected one of {IMAGE_MODES}")
        if self.geometry not in GEOMETRIES:
            raise ConfigurationError(f"geometry is {self.geometry!r}, expected one of {GEOMETRIES}")
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 1:
            raise ConfigurationError(f"image size is {self.size!r}, expected pixels, 1 or more")
        for name in ("mean", "std"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 3 or not np.isfinite(values).all():
                raise ConfigurationError(f"image {name} is {values}, expected three numbers")
            object.__setattr__(self, name, values)
        if min(self.std) <= 0.0:
            raise ConfigurationError(f"image std is {self.std}, expected numbers above 0")

    @property
    def fill(self) -> tuple[int, int, int]:
        """Border colour: the mean, cut to a byte as the release does (0.5 -> 127)."""
        red, green, blue = (int(value * 255) for value in self.mean)
        return red, green, blue

    def to_mapping(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "ImageSettings":
        """Inverse of `to_mapping`; every field must be there.

        Raises:
            ConfigurationError: missing or unknown fields, unusable values.
        """
        known = {field.name for field in fields(cls)}
        if set(data) != known:
            raise ConfigurationError(
                f"image settings have the fields {sorted(data)}, expected exactly {sorted(known)}"
            )
        return cls(**data)


def preprocess_images(
    images: Sequence[PromptImage], settings: ImageSettings
) -> NDArray[np.float32]:
    """Images as the tower takes them.

    Returns:
        (N, 3, size, size) float32, normalised.

    Raises:
        DepthCodecError: a depth beyond the profile's range.
    """
    out = np.empty((len(images), 3, settings.size, settings.size), np.float32)
    std = np.array(settings.std, np.float32)
    scale = 1.0 / (255.0 * std)
    offset = -np.array(settings.mean, np.float32) / std
    for image, planes in zip(images, out, strict=True):
        square = square_image(image, settings)
        for channel in range(3):
            np.multiply(square[..., channel], scale[channel], out=planes[channel])
            planes[channel] += offset[channel]
    return out


def square_image(image: PromptImage, settings: ImageSettings) -> NDArray[np.uint8]:
    """The (size, size, 3) uint8 RGB picture that is normalised and shown; depth is encoded.

    Raises:
        DepthCodecError: a depth beyond the profile's range.
    """
    profile = depth_profile(settings.depth_profile)
    # PromptImage has checked that pixels fit their role, which their type does not say
    pixels: Any = image.pixels
    is_depth = image.role == "depth"
    if settings.mode == "release":
        return _resize_as_released(profile.encode(pixels) if is_depth else pixels, settings)
    fitted: Any = fit_pixels(pixels, settings)
    height, width, top, left = _placement(pixels.shape, settings)
    rgb: NDArray[np.uint8] = profile.encode(fitted) if is_depth else fitted
    if (height, width) == (settings.size, settings.size):
        return rgb
    canvas = np.empty((settings.size, settings.size, 3), np.uint8)
    canvas[...] = 0 if is_depth else settings.fill
    canvas[top : top + height, left : left + width] = rgb
    return canvas


def fitted_size(height: int, width: int, settings: ImageSettings) -> tuple[int, int]:
    """Height and width that `fit_pixels` gives an image of this size."""
    fitted_height, fitted_width, _, _ = _placement((height, width), settings)
    return fitted_height, fitted_width


def fit_pixels(pixels: NDArray[Any], settings: ImageSettings) -> NDArray[Any]:
    """Colour or raw depth at the size that it has inside the tower's square, without borders.

    `square_image` of the result equals that of the pixels, so that it can be kept in their place.

    Args:
        pixels: rgb (H, W, 3) uint8, or depth (H, W) in millimetres; depth stays exact.

    Raises:
        ConfigurationError: mode ``release``, which encodes depth at full size.
    """
    if settings.mode == "release":
        raise ConfigurationError(
            "images of mode 'release' cannot be shrunk before depth is encoded; keep them at full"
            " size, or use mode 'exact'"
        )
    height, width = fitted_size(pixels.shape[0], pixels.shape[1], settings)
    if pixels.ndim == 2:
        return resize_nearest(pixels, height, width)
    return _resize_color(pixels, height, width)


def resize_nearest(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Each target pixel takes the source pixel that its centre lies in.

    Target column i has its centre at x = (i + 1/2) / width of the image, so it takes the source
    column that `depth_tool.point_to_pixel` names for that x, and rows alike; a centre on the
    border of two pixels takes the right (lower) one. `cv2.INTER_NEAREST` takes the pixel of the
    target's top left corner instead, half a pixel off.
    """
    rows = _nearest_indices(height, image.shape[0])
    columns = _nearest_indices(width, image.shape[1])
    # rows first: the second gather then touches the few that are left
    resized: NDArray[Any] = image.take(rows, axis=0).take(columns, axis=1)
    return resized


def _resize_color(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    # area averaging of an enlarged image would be blocky
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=method), np.uint8)


@lru_cache(maxsize=64)
def _nearest_indices(target: int, source: int) -> NDArray[np.intp]:
    centers = (np.arange(target) + 0.5) / target
    indices = np.minimum((centers * source).astype(np.intp), source - 1)
    indices.setflags(write=False)
    return indices


def _placement(shape: tuple[int, ...], settings: ImageSettings) -> tuple[int, int, int, int]:
    """Height, width, top and left of the picture inside the square [px]."""
    size = settings.size
    if settings.geometry == "squash":
        return size, size, 0, 0
    longest = max(shape[:2])
    height, width = (max(1, round(side * size / longest)) for side in shape[:2])
    return height, width, (size - height) // 2, (size - width) // 2


def _resize_as_released(rgb: NDArray[np.uint8], settings: ImageSettings) -> NDArray[np.uint8]:
    # here, because a robot that runs our own weights needs no Pillow
    from PIL import Image

    height, width = rgb.shape[:2]
    if settings.geometry == "pad" and height != width:
        side = max(height, width)
        padded = np.empty((side, side, 3), np.uint8)
        padded[...] = settings.fill
        top, left = (side - height) // 2, (side - width) // 2
        padded[top : top + height, left : left + width] = rgb
        rgb = padded
    size = (settings.size, settings.size)
    # Pillow's bicubic filter widens when it shrinks an image; cv2's does not
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC))

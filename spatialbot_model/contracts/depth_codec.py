"""Depth in millimetres <-> three 8-bit channels, as the model's image encoder is shown it.

Every profile cuts the millimetre value into three bit fields, one per channel, each
left-justified in its byte (paper III-B). Encoding and decoding are exact inverses over the
whole range of a profile; nothing beyond it is encoded and nothing guesses units.

Resize depth with nearest neighbour first, then encode: a code that was blended with its
neighbour means another depth altogether.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import DepthCodecError, UnknownNameError

DEFAULT_PROFILE = "release"

_CHANNELS = ("red", "green", "blue")

Depth = NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class DepthProfile:
    """One way to put millimetres into red, green and blue.

    Attributes:
        name: key in `DEPTH_PROFILES`.
        shifts: lowest bit of the millimetre value in each channel (R, G, B).
        bits: number of bits in each channel, left-justified in the byte.
    """

    name: str
    shifts: tuple[int, int, int]
    bits: tuple[int, int, int]

    @property
    def max_mm(self) -> int:
        """Largest value that can be encoded."""
        return (1 << sum(self.bits)) - 1

    def encode(self, depth_mm: Depth, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Encode an image.

        Args:
            depth_mm: (H, W) uint16 or uint32 millimetres.
            out: (H, W, 3) uint8 to write into; a new array when None.

        Returns:
            (H, W, 3) uint8, `out` if given.

        Raises:
            DepthCodecError: wrong dtype or shape, or a value above `max_mm`.
        """
        if (
            not isinstance(depth_mm, np.ndarray)
            or depth_mm.dtype not in (np.uint16, np.uint32)
            or depth_mm.ndim != 2
        ):
            raise DepthCodecError(
                f"depth is {_describe(depth_mm)}, expected (H, W) uint16 or uint32 millimetres;"
                " convert metres yourself"
            )
        if np.iinfo(depth_mm.dtype).max > self.max_mm:
            largest_mm = int(depth_mm.max(initial=0))
            if largest_mm > self.max_mm:
                raise DepthCodecError(
                    f"a depth of {largest_mm} mm is beyond the {self.max_mm} mm of the depth"
                    f" profile {self.name!r}; set such pixels to 0 (no return)"
                )
        shape = (*depth_mm.shape, 3)
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.dtype != np.uint8 or out.shape != shape:
            raise DepthCodecError(f"out is {_describe(out)}, expected uint8 {shape}")
        # whole-plane shifts and masks in the input's own type: the fastest of the numpy ways
        # tried (table look-ups and byte views are slower), and free of wrap-around
        plane = np.empty_like(depth_mm)
        for channel, (shift, bits) in enumerate(zip(self.shifts, self.bits, strict=True)):
            right = shift - (8 - bits)
            if right >= 0:
                np.right_shift(depth_mm, right, out=plane)
            else:
                np.left_shift(depth_mm, -right, out=plane)
            np.bitwise_and(plane, (0xFF00 >> bits) & 0xFF, out=plane)
            out[..., channel] = plane
        return out

    def decode(self, rgb: NDArray[np.uint8]) -> Depth:
        """Inverse of `encode`: (H, W) uint16 millimetres, uint32 where 16 bits do not do.

        Raises:
            DepthCodecError: wrong dtype or shape, or a byte that this profile never writes
                (another profile, or the image was blended, padded or compressed).
        """
        if (
            not isinstance(rgb, np.ndarray)
            or rgb.dtype != np.uint8
            or rgb.ndim != 3
            or rgb.shape[2] != 3
        ):
            raise DepthCodecError(
                f"encoded depth is {_describe(rgb)}, expected (H, W, 3) uint8 in RGB order"
            )
        used = np.bitwise_or.reduce(np.bitwise_or.reduce(rgb, axis=0), axis=0)
        for channel, bits in enumerate(self.bits):
            if int(used[channel]) & (0xFF >> bits):
                raise DepthCodecError(
                    f"the {_CHANNELS[channel]} channel holds values that are no"
                    f" multiple of {1 << (8 - bits)}; this is no image of the depth profile"
                    f" {self.name!r}, or it was blended, padded or compressed after encoding"
                )
        red = rgb[..., 0]
        narrow = self.max_mm <= 0xFFFF
        depth_mm: Depth = red.astype(np.uint16) if narrow else red.astype(np.uint32)
        np.left_shift(depth_mm, self.shifts[0] - (8 - self.bits[0]), out=depth_mm)
        plane = np.empty_like(depth_mm)
        for channel in (1, 2):
            plane[...] = rgb[..., channel]
            left = self.shifts[channel] - (8 - self.bits[channel])
            if left >= 0:
                np.left_shift(plane, left, out=plane)
            else:
                np.right_shift(plane, -left, out=plane)
            np.bitwise_or(depth_mm, plane, out=depth_mm)
        return depth_mm


DEPTH_PROFILES: Mapping[str, DepthProfile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            # what the released weights were trained with: R=(d//1024)*4, to 65.535 m
            DepthProfile("release", shifts=(10, 5, 0), bits=(6, 5, 5)),
            # the paper's text: R=(d//1024)*2, to 131.071 m
            DepthProfile("paper", shifts=(10, 5, 0), bits=(7, 5, 5)),
            # the value's three bytes, most significant first
            DepthProfile("uint24", shifts=(16, 8, 0), bits=(8, 8, 8)),
        )
    }
)


def depth_profile(name: str) -> DepthProfile:
    """The profile of this name.

    Raises:
        UnknownNameError: there is none; lists those that are.
    """
    if name not in DEPTH_PROFILES:
        raise UnknownNameError("depth profile", name, DEPTH_PROFILES)
    return DEPTH_PROFILES[name]


def encode_depth(
    depth_mm: Depth, profile: str = DEFAULT_PROFILE, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """(H, W) millimetres to (H, W, 3) uint8; see `DepthProfile.encode`.

    Raises:
        UnknownNameError: no such profile.
        DepthCodecError: cannot be encoded without loss.
    """
    return depth_profile(profile).encode(depth_mm, out)


def decode_depth(rgb: NDArray[np.uint8], profile: str = DEFAULT_PROFILE) -> Depth:
    """(H, W, 3) uint8 to (H, W) millimetres; see `DepthProfile.decode`.

    Raises:
        UnknownNameError: no such profile.
        DepthCodecError: not an image of this profile.
    """
    return depth_profile(profile).decode(rgb)


def _describe(array: object) -> str:
    if isinstance(array, np.ndarray):
        return f"{array.dtype} {array.shape}"
    return type(array).__name__

"""The last aligned depth images by stamp, so that a question can be about the frame it saw.

Pure: no rclpy, no device. Used from one thread.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError, DepthQueryError

DepthImage = NDArray[np.uint16]

_NUM_NAMED_STAMPS = 8


@dataclass(frozen=True, slots=True)
class StampedDepth:
    """One aligned depth image: (H, W) uint16 mm, 0 = no return, and its stamp in ROS time."""

    stamp_ns: int
    depth_mm: DepthImage


class DepthRing:
    """Holds the newest `capacity` images; the oldest one falls out.

    Raises:
        ConfigurationError: a capacity below 1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ConfigurationError(f"a ring of {capacity} images holds nothing; expected >= 1")
        self._capacity = capacity
        self._images: OrderedDict[int, DepthImage] = OrderedDict()

    def __len__(self) -> int:
        """Number of images held."""
        return len(self._images)

    @property
    def stamps_ns(self) -> tuple[int, ...]:
        """Stamps held, oldest first."""
        return tuple(self._images)

    def push(self, stamp_ns: int, depth_mm: DepthImage) -> None:
        """Add the newest image; it is kept, not copied.

        A stamp before the newest one means that time was set back (a bag starts over): what
        was held belongs to another time and is dropped. An equal stamp replaces its image.
        """
        newest = next(reversed(self._images), None)
        if newest is not None and stamp_ns < newest:
            self._images.clear()
        self._images[stamp_ns] = depth_mm
        while len(self._images) > self._capacity:
            self._images.popitem(last=False)

    def find(self, stamp_ns: int | None = None) -> StampedDepth:
        """The image of exactly this stamp, or the newest one when None.

        Raises:
            DepthQueryError: nothing is held, or not this stamp; names the stamps held.
        """
        if not self._images:
            raise DepthQueryError(
                "no depth image was received yet; is the camera node running and publishing"
                " aligned depth?"
            )
        if stamp_ns is None:
            stamp_ns = next(reversed(self._images))
        elif stamp_ns not in self._images:
            raise DepthQueryError(
                f"no depth image of stamp {stamp_ns} ns is held; {self._describe_stamps()}. Ask"
                " with the stamp of a recent aligned depth image, or 0 for the newest."
            )
        return StampedDepth(stamp_ns, self._images[stamp_ns])

    def _describe_stamps(self) -> str:
        stamps = self.stamps_ns
        named = ", ".join(str(stamp) for stamp in stamps[-_NUM_NAMED_STAMPS:])
        if len(stamps) <= _NUM_NAMED_STAMPS:
            return f"held are {named} ns"
        return (
            f"held are {len(stamps)} from {stamps[0]} ns on, the last {_NUM_NAMED_STAMPS} of them"
            f" {named} ns"
        )

"""Which frames a policy sees: four, newest first, padded by repeating the oldest."""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import ConfigurationError, StaleDataError
from spatialbot_model.contracts.types import RgbdFrame

HISTORY_LENGTH = 4
"""Frames per observation (paper III-E)."""


class FrameHistory:
    """The newest frames of one instruction; `clear` it when an instruction starts.

    Used from one thread.
    """

    def __init__(self, length: int = HISTORY_LENGTH) -> None:
        if length < 1:
            raise ConfigurationError(f"a history of {length} frames holds nothing; expected >= 1")
        self._frames: deque[RgbdFrame] = deque(maxlen=length)
        self._length = length

    def __len__(self) -> int:
        """Number of different frames held, at most the length."""
        return len(self._frames)

    @property
    def length(self) -> int:
        """Number of frames that `frames` answers with."""
        return self._length

    def push(self, frame: RgbdFrame) -> None:
        """Add the newest frame; the oldest one falls out.

        A frame with the stamp of the newest one held takes its place, so that a slow camera
        does not fill the history with copies.

        Raises:
            StaleDataError: it is older than the newest one held.
        """
        if self._frames and frame.stamp_ns < self._frames[0].stamp_ns:
            raise StaleDataError(
                f"frame of {frame.stamp_ns} ns is older than the newest one held,"
                f" {self._frames[0].stamp_ns} ns; after a reset of the clock call clear() first"
            )
        if self._frames and frame.stamp_ns == self._frames[0].stamp_ns:
            self._frames.popleft()
        self._frames.appendleft(frame)

    def frames(self) -> tuple[RgbdFrame, ...]:
        """`length` frames, newest first, padded by repeating the oldest.

        Raises:
            StaleDataError: nothing was pushed since the last `clear`.
        """
        if not self._frames:
            raise StaleDataError("the history is empty; push a frame before asking for frames")
        padding = (self._frames[-1],) * (self._length - len(self._frames))
        return (*self._frames, *padding)

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()


def rgbd_order(
    frames: Sequence[RgbdFrame],
) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], ...]:
    """The image order of a prompt: colour t, depth t, colour t-1, depth t-1, ...

    Args:
        frames: newest first, as `FrameHistory.frames` gives them.

    Returns:
        Colour (H, W, 3) uint8 RGB and depth (H, W) uint16 mm by turns; depth is not encoded.

    Raises:
        StaleDataError: a frame is newer than the one before it.
    """
    for newer, older in pairwise(frames):
        if older.stamp_ns > newer.stamp_ns:
            raise StaleDataError(
                f"frame of {older.stamp_ns} ns comes after the older one of {newer.stamp_ns} ns;"
                " frames go newest first"
            )
    return tuple(image for frame in frames for image in (frame.color, frame.depth_mm))

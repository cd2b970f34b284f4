"""What a policy is shown instead of what the camera sees, to find out what it makes use of."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.errors import UnknownNameError
from spatialbot_model.contracts.types import Observation, RgbdFrame

DepthMode = Literal["normal", "zero", "shuffled"]
DEPTH_MODES: tuple[DepthMode, ...] = get_args(DepthMode)
"""As it is, without any return, or that of another scene of the same family."""


class ObservationProbe:
    """Changes observations of one trial; a frame that was changed once stays the same object.

    Args:
        mode: what becomes of the depth.
        other_depth_mm: (H, W) depth of another scene, for "shuffled".
        num_frames: how many of the newest frames are shown, the oldest of them repeated in the
            place of the others; 0 = all.
    """

    def __init__(
        self,
        mode: DepthMode = "normal",
        other_depth_mm: NDArray[np.uint16] | None = None,
        num_frames: int = 0,
    ) -> None:
        if mode not in DEPTH_MODES:
            raise UnknownNameError("depth mode", mode, DEPTH_MODES)
        self._mode, self._other_depth_mm, self._num_frames = mode, other_depth_mm, num_frames
        self._changed: dict[int, RgbdFrame] = {}

    def show(self, observation: Observation) -> Observation:
        """What the policy sees of it."""
        frames: Sequence[RgbdFrame] = observation.frames
        if self._num_frames:
            shown = frames[: self._num_frames]
            frames = (*shown, *(shown[-1:] * (len(frames) - len(shown))))
        if self._mode != "normal":
            known = self._changed
            self._changed = {}
            for frame in frames:
                if frame.stamp_ns not in self._changed:
                    changed = known.get(frame.stamp_ns) or self._change(frame)
                    self._changed[frame.stamp_ns] = changed
            frames = tuple(self._changed[frame.stamp_ns] for frame in frames)
        return replace(observation, frames=tuple(frames))

    def _change(self, frame: RgbdFrame) -> RgbdFrame:
        if self._mode == "zero" or self._other_depth_mm is None:
            return replace(frame, depth_mm=np.zeros_like(frame.depth_mm))
        return replace(frame, depth_mm=self._other_depth_mm)

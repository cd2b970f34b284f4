"""Image features of the frames that a session still sees.

Of four frames three were already seen a step before. A frame is known again by its stamp and by
being the same object, so that two cameras, or a clock that was set back, cannot be confused.
An encoder call always holds the images of exactly one frame, cached or not: the same images in
another batch may differ in the last bit, and then the cache would change answers.
"""

from collections.abc import Callable, Sequence

import torch

from spatialbot_model.contracts.types import RgbdFrame


class VisionCache:
    """Features by frame, of one session.

    Args:
        enabled: False to compute everything again, for comparison.
    """

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._entries: dict[tuple[int, int], tuple[RgbdFrame, torch.Tensor]] = {}

    def __len__(self) -> int:
        """Frames held."""
        return len(self._entries)

    def clear(self) -> None:
        """Forget all frames."""
        self._entries.clear()

    def features(
        self, frames: Sequence[RgbdFrame], encode: Callable[[RgbdFrame], torch.Tensor]
    ) -> list[torch.Tensor]:
        """Features of each frame; frames that are not among them are forgotten.

        Args:
            encode: (images of the frame, P, D) of one frame.
        """
        if not self._enabled:
            return [encode(frame) for frame in frames]
        known, self._entries = self._entries, {}
        for frame in frames:
            key = _key(frame)
            entry = self._entries.get(key) or known.get(key) or (frame, encode(frame))
            self._entries[key] = entry
        return [self._entries[_key(frame)][1] for frame in frames]


def _key(frame: RgbdFrame) -> tuple[int, int]:
    # the entry holds the frame, so no other object can take its id
    return frame.stamp_ns, id(frame)

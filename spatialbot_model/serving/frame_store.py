"""Which frames the server has, seen from both sides; so that only new ones are uploaded.

Frames are named by their stamps. After each step the server keeps exactly the frames of that
step, so the client knows what is there without asking; after a reconnect it is nothing.
"""

from collections.abc import Sequence

from spatialbot_model.contracts.types import RgbdFrame


class SentFrames:
    """The client's side: what the server of this connection has been sent."""

    def __init__(self) -> None:
        self._frames: dict[int, RgbdFrame] = {}

    def select(self, frames: Sequence[RgbdFrame]) -> tuple[RgbdFrame, ...]:
        """The frames of an observation that must be uploaded, in its order, each once.

        A frame counts as sent only when it is the same object, not merely of the same stamp: a
        camera that stands still may give two images one stamp.
        """
        missing = {
            frame.stamp_ns: frame
            for frame in reversed(frames)
            if self._frames.get(frame.stamp_ns) is not frame
        }
        return tuple(missing[stamp_ns] for stamp_ns in sorted(missing, reverse=True))

    def remember(self, frames: Sequence[RgbdFrame]) -> None:
        """A step with these frames has been sent."""
        self._frames = {frame.stamp_ns: frame for frame in reversed(frames)}

    def clear(self) -> None:
        """The server has nothing."""
        self._frames = {}


class ReceivedFrames:
    """The server's side: the frames of the session's last step."""

    def __init__(self) -> None:
        self._frames: dict[int, RgbdFrame] = {}

    def receive(
        self, stamps_ns: Sequence[int], frames: Sequence[RgbdFrame]
    ) -> tuple[RgbdFrame, ...] | None:
        """All frames of a step in its order, or None when one is missing.

        Args:
            stamps_ns: of all frames of the observation, newest first.
            frames: those that were uploaded with the step.
        """
        have = {**self._frames, **{frame.stamp_ns: frame for frame in frames}}
        if any(stamp_ns not in have for stamp_ns in stamps_ns):
            return None
        self._frames = {stamp_ns: have[stamp_ns] for stamp_ns in stamps_ns}
        return tuple(have[stamp_ns] for stamp_ns in stamps_ns)

    def clear(self) -> None:
        """Forget all frames."""
        self._frames = {}

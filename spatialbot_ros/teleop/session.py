"""The recording session of a person: which key asks the recorder for what. Pure.

One request at a time; the caller sends it and reports the answer. The recorder knows the truth:
keys are never refused here because of what this side believes about it.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from spatialbot_ros.teleop.inputs import Button


class Phase(Enum):
    """Where the session stands; the value is shown."""

    IDLE = "no episode"
    STARTING = "starting"
    RECORDING = "RECORDING"
    ENDING = "ending"


@dataclass(frozen=True, slots=True)
class RecorderRequest:
    """What to call: start, or stop with a label or a discard."""

    start: bool
    label: str = "unknown"
    discard: bool = False
    then_start: bool = False


_ENDS = {
    Button.EPISODE_SUCCESS: RecorderRequest(False, "success"),
    Button.EPISODE_FAILURE: RecorderRequest(False, "failure"),
    Button.EPISODE_END: RecorderRequest(False, "unknown"),
    Button.EPISODE_DISCARD: RecorderRequest(False, discard=True),
    Button.EPISODE_AGAIN: RecorderRequest(False, discard=True, then_start=True),
}


class EpisodeSession:
    """Attributes: `phase`, `message` (newest answer in words), `counts` of ended episodes."""

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self.message = ""
        self.counts: Counter[str] = Counter()
        self._pending: RecorderRequest | None = None

    def press(self, button: Button) -> RecorderRequest | None:
        """The request that a key means; None for other keys and while one is under way."""
        request = RecorderRequest(True) if button is Button.EPISODE_START else _ENDS.get(button)
        if request is None:
            return None
        if self._pending is not None:
            self.message = "the recorder has not answered the last key yet"
            return None
        return self._send(request)

    def answered(self, success: bool, message: str) -> RecorderRequest | None:
        """The recorder's answer to the last request; returns what follows it, if anything."""
        request, self._pending = self._pending, None
        if request is None:
            return None
        self.message = message
        if request.start:
            self.phase = Phase.RECORDING if success else Phase.IDLE
            return None
        self.phase = Phase.IDLE
        if not success:
            return None
        self.counts["discarded" if request.discard else request.label] += 1
        return self._send(RecorderRequest(True)) if request.then_start else None

    def _send(self, request: RecorderRequest) -> RecorderRequest:
        self._pending = request
        self.phase = Phase.STARTING if request.start else Phase.ENDING
        return request

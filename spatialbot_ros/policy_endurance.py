"""How long an instruction goes on while nothing that its policy says can be carried out.

Pure. Every hold is told to `held`; what it returns ends the instruction. Times are wall seconds:
a policy's silence does not depend on how fast a simulated robot's clock runs.
"""

from spatialbot_ros.policy_watch import (
    CLOCK_SKEW,
    POLICY_GARBAGE,
    POLICY_NOT_FINITE,
    POLICY_SLOW,
    POLICY_UNREACHABLE,
    STALE_OBSERVATION,
    PolicyFault,
)

_UNREADABLE = (POLICY_GARBAGE, POLICY_NOT_FINITE)
_SILENT = (POLICY_SLOW, POLICY_UNREACHABLE)
_NOT_ASKED = (CLOCK_SKEW, STALE_OBSERVATION)


class Endurance:
    """Bounds the holds of one instruction.

    Args:
        max_refused: answers in a row that came and could not be executed.
        outage_s: without an answer that could.
    """

    def __init__(self, max_refused: int, outage_s: float) -> None:
        self._max_refused = max_refused
        self._outage_s = outage_s
        self._num_refused = 0
        self._since_s = 0.0

    def begin(self, now_s: float) -> None:
        """An instruction starts, an answer is carried out, or a person has let go."""
        self._num_refused = 0
        self._since_s = now_s

    def held(self, fault: PolicyFault, now_s: float) -> str:
        """Why the instruction ends with this hold; empty while it goes on."""
        if fault.name not in (*_SILENT, *_NOT_ASKED):
            self._num_refused += 1
            if self._num_refused >= self._max_refused:
                return self._refused(fault)
        idle_s = now_s - self._since_s
        if idle_s <= self._outage_s:
            return ""
        if fault.name in _SILENT:
            return f"the policy has been silent for {idle_s:.1f} s: {fault.detail}"
        return f"nothing could be executed for {idle_s:.1f} s, last {fault.name}: {fault.detail}"

    @staticmethod
    def is_silence(fault: PolicyFault) -> bool:
        """Whether no answer came at all, or too late."""
        return fault.name in _SILENT

    def _refused(self, fault: PolicyFault) -> str:
        if fault.name in _UNREADABLE:
            return f"{self._num_refused} unreadable answers in a row: {fault.detail}"
        n = self._num_refused
        return f"{n} answers in a row were refused, last {fault.name}: {fault.detail}"

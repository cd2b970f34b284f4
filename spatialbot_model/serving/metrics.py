"""What a policy server counts, as Prometheus text."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

_BUCKETS_S = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_PREFIX = "spatialbot_policy"


class LatencyHistogram:
    """Counts of durations [s] per bucket."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BUCKETS_S) + 1)
        self._sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(_BUCKETS_S, duration_s)] += 1
        self._sum_s += duration_s

    @property
    def count(self) -> int:
        """Number of durations."""
        return sum(self._counts)

    def lines(self, name: str) -> list[str]:
        """In Prometheus' exposition format."""
        lines = [f"# TYPE {name} histogram"]
        total = 0
        for bound, count in zip((*map(str, _BUCKETS_S), "+Inf"), self._counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {total}')
        return [*lines, f"{name}_sum {self._sum_s:.6f}", f"{name}_count {total}"]


@dataclass(slots=True)
class ServerMetrics:
    """Counters of one server; changed on its event loop only.

    Attributes:
        sessions: open now.
        sessions_opened: since the start.
        connections_refused: ended before there was a session, by failure code.
        steps: answered by the policy.
        failures: requests of sessions that failed, by failure code.
        late_results: results that came after their time-out and were dropped.
        malformed_messages: messages that could not be read.
        frames: uploaded.
        bytes_received: payload.
        policy_s: duration of the policy's part of a step.
        step_s: from a step's arrival to its answer.
    """

    sessions: int = 0
    sessions_opened: int = 0
    connections_refused: Counter[str] = field(default_factory=Counter)
    steps: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    late_results: int = 0
    malformed_messages: int = 0
    frames: int = 0
    bytes_received: int = 0
    policy_s: LatencyHistogram = field(default_factory=LatencyHistogram)
    step_s: LatencyHistogram = field(default_factory=LatencyHistogram)

    def render(self) -> str:
        """Everything in Prometheus' exposition format."""
        lines = [f"# TYPE {_PREFIX}_sessions gauge", f"{_PREFIX}_sessions {self.sessions}"]
        for name, value in (
            ("sessions_opened", self.sessions_opened),
            ("steps", self.steps),
            ("late_results", self.late_results),
            ("malformed_messages", self.malformed_messages),
            ("frames", self.frames),
            ("received_bytes", self.bytes_received),
        ):
            lines += [f"# TYPE {_PREFIX}_{name}_total counter", f"{_PREFIX}_{name}_total {value}"]
        for name, counts in (
            ("connections_refused", self.connections_refused),
            ("failures", self.failures),
        ):
            lines.append(f"# TYPE {_PREFIX}_{name}_total counter")
            lines += [
                f'{_PREFIX}_{name}_total{{code="{code}"}} {n}' for code, n in sorted(counts.items())
            ]
        lines += self.policy_s.lines(f"{_PREFIX}_policy_seconds")
        lines += self.step_s.lines(f"{_PREFIX}_step_seconds")
        return "\n".join(lines) + "\n"

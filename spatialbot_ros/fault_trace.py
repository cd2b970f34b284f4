"""What a run with injected camera faults is judged by. Pure; all times are simulation seconds.

Everything is read from what the nodes publish: when the lab spoiled the first frame, when the
camera said so, where the arm was, which actions came and what they had seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SETTLE_S = 0.8
"""From a fault to rest: an action that was under way, the executor's gap of 0.3 s, braking."""

_STILL_M = 0.0005


@dataclass(slots=True)
class FaultTrace:
    """Everything around one injected fault.

    Attributes:
        onset_s, end_s: stamps of the first spoiled frame and of the first good one after it.
        told_s: when the camera told of it first; None while it has not.
        told_name: by which name.
        good_s: when the camera told that the stream is good again.
        poses: (time [s], position (3,) [m]) of the tool, since the onset.
        actions: (time, stamp of what was seen) of the policy's actions, since the onset [s].
    """

    name: str
    duration_s: float
    onset_s: float | None = None
    end_s: float | None = None
    told_s: float | None = None
    told_name: str = ""
    good_s: float | None = None
    poses: list[tuple[float, NDArray[np.float64]]] = field(default_factory=list)
    actions: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """The stream is good again."""
        return self.good_s is not None and self.end_s is not None and self.good_s >= self.end_s


@dataclass(frozen=True, slots=True)
class FaultFigures:
    """One fault in figures; times in s, distances in m.

    Attributes:
        duration_s: of the fault.
        detection_s: from the first spoiled frame to the camera's event.
        rest_s: from the first spoiled frame to the last motion.
        coasted_m: farthest from where the arm was at the onset.
        moved_m: farthest from where the arm was `SETTLE_S` after the onset, until the stream was
            good again.
        blind_actions: actions computed from a frame of the fault.
        recovery_s: from the first good frame to the camera's event that the stream is good.
        resumption_s: from that event to the policy's next action; None when none came.
    """

    name: str
    told_name: str
    duration_s: float
    detection_s: float
    rest_s: float
    coasted_m: float
    moved_m: float
    blind_actions: int
    recovery_s: float
    resumption_s: float | None


def judge(trace: FaultTrace) -> FaultFigures | None:
    """Figures of a fault that is over; None when it was not told or did not end."""
    if trace.onset_s is None or trace.told_s is None or not trace.is_over:
        return None
    assert trace.end_s is not None and trace.good_s is not None
    held = [(t, p) for t, p in trace.poses if trace.onset_s <= t <= trace.end_s]
    after = [p for t, p in held if t >= trace.onset_s + SETTLE_S]
    moved_m = max((float(np.linalg.norm(p - after[0])) for p in after), default=0.0)
    next_s = min((t for t, _ in trace.actions if t >= trace.good_s), default=None)
    return FaultFigures(
        name=trace.name,
        told_name=trace.told_name,
        duration_s=trace.end_s - trace.onset_s,
        detection_s=trace.told_s - trace.onset_s,
        rest_s=_rest_s(held, trace.onset_s),
        coasted_m=max((float(np.linalg.norm(p - held[0][1])) for _, p in held), default=0.0),
        moved_m=moved_m,
        blind_actions=sum(
            trace.onset_s <= round(seen, 9) < trace.end_s for _, seen in trace.actions
        ),
        recovery_s=trace.good_s - trace.end_s,
        resumption_s=None if next_s is None else next_s - trace.good_s,
    )


def summarise(figures: Sequence[FaultFigures]) -> dict[str, dict[str, float]]:
    """Medians and extremes by fault name; times in ms, distances in mm."""
    table = {}
    for name in sorted({f.name for f in figures}):
        of_name = [f for f in figures if f.name == name]
        resumed_s = [f.resumption_s for f in of_name if f.resumption_s is not None]
        table[name] = {
            "n": float(len(of_name)),
            "detection_median_ms": _ms(np.median([f.detection_s for f in of_name])),
            "detection_max_ms": _ms(max(f.detection_s for f in of_name)),
            "rest_max_ms": _ms(max(f.rest_s for f in of_name)),
            "coasted_max_mm": _ms(max(f.coasted_m for f in of_name)),
            "moved_max_mm": _ms(max(f.moved_m for f in of_name)),
            "blind_actions": float(sum(f.blind_actions for f in of_name)),
            "recovery_median_ms": _ms(np.median([f.recovery_s for f in of_name])),
            "recovery_max_ms": _ms(max(f.recovery_s for f in of_name)),
            "resumed": float(len(resumed_s)),
        }
    return table


def _rest_s(held: Sequence[tuple[float, NDArray[np.float64]]], onset_s: float) -> float:
    """Since the onset, the last time at which the arm was elsewhere than at the end."""
    if not held:
        return 0.0
    last = held[-1][1]
    away_s = [t for t, p in held if float(np.linalg.norm(p - last)) > _STILL_M]
    return max(away_s, default=onset_s) - onset_s


def _ms(value: "float | np.floating[object]") -> float:
    return round(float(value) * 1e3, 2)

"""What is known about the running suite, from what its nodes tell. Pure: no rclpy, no clock.

Times are seconds of a clock that only goes forward; every method is told what it shows.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

import numpy as np

PARTS = ("simulation", "camera", "executor", "vla", "depth_service", "recorder")
"""Nodes of pick and place that tell of themselves, in the order of the data."""

SILENT_S = 3.5
"""A node tells of itself once a second; after this long it is taken for dead."""

_WINDOW_S = 5.0
_NUM_EVENTS = 8
_NUM_STEPS = 100


class Level(IntEnum):
    """As in ``diagnostic_msgs/DiagnosticStatus``, and the silence that nobody can tell of."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One status of one node, ``NODE: WHAT``.

    Attributes:
        age_s: since it was told.
    """

    name: str
    level: Level
    message: str
    values: Mapping[str, str]
    age_s: float


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """The executor's newest state.

    Attributes:
        rate_hz: states per second.
        position_m: (x, y, z) of the tool centre point in `fr3_link0`.
    """

    state: str
    detail: str
    position_m: tuple[float, float, float]
    tracking_error_m: float
    robot_time_s: float
    num_faults: int
    num_safety_events: int
    robot_errors: tuple[str, ...]
    rate_hz: float = 0.0
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One answer of the policy; `acted` when it led to an action."""

    policy: str
    instruction: str
    text: str
    stage: str
    acted: bool
    latencies_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """The policy's newest answer and how it has been doing.

    Attributes:
        rate_hz: answers per second.
        acted_share: of the last hundred answers, those that led to an action.
        latencies_ms: median of each stage over the last hundred answers.
    """

    step: StepStatus
    rate_hz: float
    acted_share: float
    latencies_ms: Mapping[str, float]
    age_s: float


@dataclass(frozen=True, slots=True)
class EventStatus:
    """A safety event; `severity` as in ``SafetyEvent``, in words."""

    name: str
    severity: str
    source: str
    detail: str
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SuiteReport:
    """Everything at one moment.

    Attributes:
        missing: parts of pick and place that have not told anything yet.
    """

    parts: tuple[PartStatus, ...]
    missing: tuple[str, ...]
    arm: ArmStatus | None
    policy: PolicyStatus | None
    events: tuple[EventStatus, ...]

    @property
    def level(self) -> Level:
        """The worst that a node tells; a node that fell silent counts as an error."""
        worst = max((part.level for part in self.parts), default=Level.STALE)
        return Level.ERROR if worst is Level.STALE else worst

    def to_mapping(self) -> dict[str, Any]:
        """For JSON: plain values, levels by name."""
        parts = [asdict(part) | {"level": part.level.name.lower()} for part in self.parts]
        policy = None
        if self.policy is not None:
            policy = {**asdict(self.policy.step), **asdict(self.policy)}
            del policy["step"]
        return {
            "level": self.level.name.lower(),
            "nodes": {part.pop("name"): part for part in parts},
            "missing": list(self.missing),
            "arm": None if self.arm is None else asdict(self.arm),
            "policy": policy,
            "events": [asdict(event) for event in self.events],
        }


class SuiteStatus:
    """Collects; `report` tells. Belongs to one thread."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[float, PartStatus]] = {}
        self._arm: tuple[float, ArmStatus] | None = None
        self._arm_times_s: deque[float] = deque()
        self._steps: deque[tuple[float, StepStatus]] = deque(maxlen=_NUM_STEPS)
        self._events: deque[tuple[float, EventStatus]] = deque(maxlen=_NUM_EVENTS)

    def on_part(
        self, name: str, level: int, message: str, values: Mapping[str, str], now_s: float
    ) -> None:
        """A status of /diagnostics."""
        known = Level(level) if level in tuple(Level) else Level.ERROR
        self._parts[name] = (now_s, PartStatus(name, known, message, dict(values), 0.0))

    def on_arm(self, arm: ArmStatus, now_s: float) -> None:
        """A state of the executor."""
        self._arm = (now_s, arm)
        self._arm_times_s.append(now_s)
        while self._arm_times_s[0] < now_s - _WINDOW_S:
            self._arm_times_s.popleft()

    def on_step(self, step: StepStatus, now_s: float) -> None:
        """An answer of the policy."""
        self._steps.append((now_s, step))

    def on_event(self, event: EventStatus, now_s: float) -> None:
        """A safety event, of whatever source."""
        self._events.append((now_s, event))

    def report(self, now_s: float) -> SuiteReport:
        """What is known at this moment; newest event first."""
        parts = [self._part(at_s, part, now_s) for at_s, part in self._parts.values()]
        heard = {_node(part.name) for part in parts}
        return SuiteReport(
            parts=tuple(sorted(parts, key=_order)),
            missing=tuple(name for name in PARTS if name not in heard),
            arm=self._arm_status(now_s),
            policy=self._policy_status(now_s),
            events=tuple(
                EventStatus(e.name, e.severity, e.source, e.detail, now_s - at_s)
                for at_s, e in reversed(self._events)
            ),
        )

    @staticmethod
    def _part(at_s: float, part: PartStatus, now_s: float) -> PartStatus:
        age_s = now_s - at_s
        if age_s <= SILENT_S:
            return PartStatus(part.name, part.level, part.message, part.values, age_s)
        message = f"silent for {age_s:.0f} s; it last said: {part.message}"
        return PartStatus(part.name, Level.STALE, message, part.values, age_s)

    def _arm_status(self, now_s: float) -> ArmStatus | None:
        if self._arm is None:
            return None
        at_s, arm = self._arm
        recent_s = [t for t in self._arm_times_s if t >= now_s - _WINDOW_S]
        return ArmStatus(
            arm.state,
            arm.detail,
            arm.position_m,
            arm.tracking_error_m,
            arm.robot_time_s,
            arm.num_faults,
            arm.num_safety_events,
            arm.robot_errors,
            rate_hz=_rate_hz(recent_s),
            age_s=now_s - at_s,
        )

    def _policy_status(self, now_s: float) -> PolicyStatus | None:
        if not self._steps:
            return None
        at_s, newest = self._steps[-1]
        steps = [step for _, step in self._steps]
        stages = {name: None for step in steps for name in step.latencies_ms}
        return PolicyStatus(
            step=newest,
            rate_hz=_rate_hz([t for t, _ in self._steps if t >= now_s - _WINDOW_S]),
            acted_share=sum(step.acted for step in steps) / len(steps),
            latencies_ms={
                name: float(
                    np.median([s.latencies_ms[name] for s in steps if name in s.latencies_ms])
                )
                for name in stages
            },
            age_s=now_s - at_s,
        )


def _rate_hz(times_s: list[float]) -> float:
    if len(times_s) < 2 or times_s[-1] <= times_s[0]:
        return 0.0
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def _node(name: str) -> str:
    return name.partition(":")[0]


def _order(part: PartStatus) -> tuple[int, str]:
    node = _node(part.name)
    return PARTS.index(node) if node in PARTS else len(PARTS), part.name
